// Probes of doctor.h: whether this machine lets this user mount, and how fast reads can be.
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <sstream>
#include <system_error>

#include "doctor/doctor.h"
#include "base/install_command.h"
#include "base/text_file.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kWantedReadAheadKib = 4096;  // what a mount by root sets

std::string TextOf(const DoctorSystem& system, const std::string& path) {
  const auto text = ReadTextFile(system.At(path));
  return text.ok() ? *text : "";
}

// The word after "Name:" in a file of such lines.
std::string Field(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + ":")) continue;
    std::istringstream words(line.substr(name.size() + 1));
    std::string word;
    words >> word;
    return word;
  }
  return "";
}

std::optional<std::uint64_t> Number(std::string_view text, int base = 10) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

bool HasOption(const std::string& options, const std::string& wanted) {
  std::istringstream words(options);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == wanted) return true;
  }
  return false;
}

}  // namespace

Finding ProbeDevice(const DoctorSystem& system) {
  const std::string subject = "/dev/fuse";
  struct stat attributes {};
  if (::stat(system.At(subject).c_str(), &attributes) != 0) {
    return Wrong(subject, Tr("is not there"),
                 Tr("modprobe fuse (on the host); in a container, start it with --device /dev/fuse"));
  }
  const Text make_it = Tr("rm -f /dev/fuse && mknod -m 0666 /dev/fuse c 10 229, as root");
  if (!S_ISCHR(attributes.st_mode)) return Wrong(subject, Tr("is no device"), make_it);
  if (attributes.st_rdev != system.fuse_device) {
    return Wrong(subject,
                 Tr("is the device {}:{}, and that of FUSE is {}:{}", major(attributes.st_rdev),
                    minor(attributes.st_rdev), major(system.fuse_device), minor(system.fuse_device)),
                 make_it);
  }
  const FileDescriptor device(::open(system.At(subject).c_str(), O_RDWR | O_CLOEXEC));
  if (device.valid()) return Ok(subject, Tr("can be opened"));
  const std::string reason = std::generic_category().message(errno);
  if (errno == EACCES) return Wrong(subject, Tr("may not be opened: {}", reason), Tr("chmod 0666 /dev/fuse, as root"));
  return Wrong(subject, Tr("cannot be opened: {}", reason),
               Tr("start the container with --device /dev/fuse, or modprobe fuse on the host"));
}

Finding ProbePrivileges(const DoctorSystem& system) {
  constexpr int kSysAdmin = 21;  // CAP_SYS_ADMIN
  const std::string status = TextOf(system, "/proc/self/status");
  if (system.user == 0) {
    const auto capabilities = Number(Field(status, "CapEff"), 16);
    if (capabilities && ((*capabilities >> kSysAdmin) & 1) == 0) {
      return Wrong(Tr("privileges"), Tr("root has no CAP_SYS_ADMIN here, which mounting needs"),
                   Tr("start the container with --cap-add SYS_ADMIN (Docker) or privileged: true (Kubernetes)"));
    }
    return Ok(Tr("privileges"), Tr("root, with CAP_SYS_ADMIN"));
  }
  if (Field(status, "NoNewPrivs") == "1") {
    return Wrong(Tr("privileges"), Tr("no_new_privs is set, so fusermount3 cannot become root"),
                 Tr("leave out NoNewPrivileges=yes (systemd) or --security-opt no-new-privileges (Docker)"));
  }
  return Ok(Tr("privileges"), Tr("uid {}, through fusermount3", system.user));
}

Finding ProbeFusermount(const DoctorSystem& system) {
  constexpr std::array<const char*, 4> kFolders = {"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin"};
  const bool needed = system.user != 0;  // root mounts by itself
  for (const char* name : {"/fusermount3", "/fusermount"}) {  // the second of FUSE 2, which serves as well
    for (const char* folder : kFolders) {
      const std::string path = std::string(folder) + name;
      struct stat attributes {};
      if (::stat(system.At(path).c_str(), &attributes) != 0 || !S_ISREG(attributes.st_mode)) continue;
      if ((attributes.st_mode & S_ISUID) != 0 && attributes.st_uid == system.administrator) {
        return Ok(Name("fusermount3"), Tr("{}, set-uid root", path));
      }
      const Text remedy = Tr("chown root {0} && chmod u+s {0}, as root", path);
      return needed ? Wrong(Name("fusermount3"), Tr("{} is not set-uid root, so only root can mount", path), remedy)
                    : Advice(Name("fusermount3"),
                             Tr("{} is not set-uid root; root does not need that, other users do", path), remedy);
    }
  }
  const Text remedy = Tr("{}, as root", InstallCommand("fuse3", system.root));
  return needed ? Wrong(Name("fusermount3"), Tr("is not installed, so only root can mount"), remedy)
                : Advice(Name("fusermount3"), Tr("is not installed; root does not need it, other users do"), remedy);
}

bool HasPasswdEntry(uid_t user) { return ::getpwuid(user) != nullptr; }

Finding ProbeUser(const DoctorSystem& system, const DoctorTask& task) {
  if (system.user != 0 && !system.has_user(system.user)) {
    return Wrong(Tr("user"),
                 Tr("uid {} has no entry in /etc/passwd, and fusermount3 mounts for none that has not", system.user),
                 Tr("echo shardfs:x:{0}:{0}::/:/usr/sbin/nologin >> /etc/passwd, as root", system.user));
  }
  if (!system.has_user(task.engine_user)) {
    return Advice(Tr("user"), Tr("uid {}, which the engine runs as, has no entry in /etc/passwd", task.engine_user),
                  Tr("give --uid the uid of the engine's process (`ps -o uid= -p PID`), if this is not it"));
  }
  return Ok(Tr("user"), Tr("uid {} mounts, and uid {} runs the engine", system.user, task.engine_user));
}

// fusermount3 counts every FUSE mount before it makes one more, also those of root, which is not counted itself.
Finding ProbeMountMax(const DoctorSystem& system, const DoctorTask& task) {
  const std::string subject = "mount_max";
  if (system.user == 0) return Ok(subject, Tr("does not bind root"));
  int most = 1000;
  std::istringstream lines(TextOf(system, "/etc/fuse.conf"));
  for (std::string line; std::getline(lines, line);) {
    int value = 0;
    if (std::sscanf(line.c_str(), "mount_max = %i", &value) == 1) most = value;  // as fusermount3 reads it
  }
  if (most == -1) return Ok(subject, Tr("is -1 in /etc/fuse.conf: no limit"));
  int mounted = 0;
  bool there = false;
  for (const MountEntry& mount : ParseMountTable(TextOf(system, "/proc/self/mountinfo"))) {
    if (mount.type == "fuse" || mount.type.starts_with("fuse.")) ++mounted;
    there = there || (mount.mount_point == task.mount_point && mount.type == kShardfsType);
  }
  const Text counts =
      Tr("{} FUSE file systems are mounted of the {} that /etc/fuse.conf allows to users", mounted, most);
  if (mounted < most || there) return Ok(subject, counts);
  return Wrong(subject, counts, Tr("echo mount_max = {} >> /etc/fuse.conf, as root", 2 * mounted + 1000));
}

Finding ProbeAllowOther(const DoctorSystem& system, const DoctorTask& task) {
  if (system.user == 0) return Ok(Name("user_allow_other"), Tr("not needed by root"));
  std::istringstream lines(TextOf(system, "/etc/fuse.conf"));
  for (std::string line; std::getline(lines, line);) {
    if (line.substr(0, line.find_last_not_of(" \t\r") + 1) == "user_allow_other") {
      return Ok(Name("user_allow_other"), Tr("in /etc/fuse.conf"));
    }
  }
  const Text remedy = Tr("echo user_allow_other >> /etc/fuse.conf, as root");
  if (task.engine_user != system.user) {
    return Wrong(Name("user_allow_other"),
                 Tr("is not in /etc/fuse.conf, and the engine runs as uid {}, not as uid {} who mounts",
                    task.engine_user, system.user),
                 remedy);
  }
  return Advice(Name("user_allow_other"), Tr("is not in /etc/fuse.conf: --allow-other would be refused"), remedy);
}

Finding ProbeKernel(const DoctorSystem& system) {
  const std::string release = TextOf(system, "/proc/sys/kernel/osrelease");
  const auto major = Number(release);
  const std::size_t dot = release.find('.');
  const auto minor = dot == std::string::npos ? std::nullopt : Number(std::string_view(release).substr(dot + 1));
  if (!major || !minor) {
    return Advice(Tr("kernel"), Tr("its version cannot be read"),
                  Tr("read /proc/sys/kernel/osrelease; 4.20 or later is meant"));
  }
  const std::string version = fmt::format("{}.{}", *major, *minor);
  const auto at_least = [&](std::uint64_t wanted_major, std::uint64_t wanted_minor) {
    return *major > wanted_major || (*major == wanted_major && *minor >= wanted_minor);
  };
  if (!at_least(3, 15))
    return Wrong(Tr("kernel"), Tr("{} is too old for libfuse 3", version), Tr("run a kernel of 4.20 or later"));
  if (!at_least(4, 20)) {
    const std::uint64_t kib = 32 * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
    return Advice(Tr("kernel"), Tr("{}: a read takes 32 pages ({} KiB) at most", version, kib),
                  Tr("run a kernel of 4.20 or later, for reads of 256 pages"));
  }
  const auto pages = Number(TextOf(system, "/proc/sys/fs/fuse/max_pages_limit"));
  if (pages && *pages < 256) {
    return Advice(Tr("kernel"), Tr("{}: fs.fuse.max_pages_limit is {}, and 256 gives longer reads", version, *pages),
                  Tr("sysctl fs.fuse.max_pages_limit=256, as root"));
  }
  return Ok(Tr("kernel"), Tr("{}: reads of 256 pages (1 MiB with pages of 4 KiB)", version));
}

Finding ProbeReadAhead(const DoctorSystem& system, const DoctorTask& task) {
  const auto mount = task.mount_point.empty() ? std::nullopt : MountOf(system, task.mount_point);
  if (mount && mount->entry.type == kShardfsType) {
    const std::string path =
        fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", mount->entry.device_major, mount->entry.device_minor);
    const auto kib = Number(TextOf(system, path));
    if (kib && *kib >= kWantedReadAheadKib) return Ok(Tr("read-ahead"), Tr("{} KiB", *kib));
    return Advice(Tr("read-ahead"), kib ? Tr("{} KiB, and 4096 makes mapped reads faster", *kib) : Tr("cannot be read"),
                  Tr("echo {} > {}, as root on the host", kWantedReadAheadKib, path));
  }
  const std::string after = "echo 4096 > /sys/class/bdi/$(mountpoint -d MOUNTPOINT)/read_ahead_kb";
  if (system.user != 0) {
    return Advice(Tr("read-ahead"), Tr("stays at 128 KiB, because only root may raise it"),
                  Tr("{}, as root after mounting", after));
  }
  struct stat attributes {};
  if (::stat(system.At("/sys/class/bdi").c_str(), &attributes) != 0) {
    return Advice(Tr("read-ahead"), Tr("stays at 128 KiB: /sys/class/bdi is not there"),
                  Tr("mount -t sysfs sysfs /sys"));
  }
  const auto sys = MountOf(system, "/sys/class/bdi");
  if (sys && HasOption(sys->entry.options, "ro")) {
    return Advice(Tr("read-ahead"), Tr("stays at 128 KiB: /sys is mounted read-only"),
                  Tr("{}, on the host after mounting", after));
  }
  return Ok(Tr("read-ahead"), Tr("a mount raises it to 4096 KiB"));
}

Finding ProbeLog(const DoctorSystem& system) {
  struct stat attributes {};
  if (::stat(system.At("/dev/log").c_str(), &attributes) == 0) return Ok(Tr("log"), Tr("syslog listens on /dev/log"));
  return Advice(Tr("log"), Tr("nobody listens on /dev/log, so what a mount in the background has to say is lost"),
                Tr("mount with --log-file FILE, or install a syslog or journald"));
}

}  // namespace shardfs
