#include "bench/mounts.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "bench/process.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kDaemonEndMilliseconds = 10'000;

// The process of `program` that has `argument` on its command line. The command that started it has ended by now.
pid_t FindProcess(const std::string& program, const std::string& argument) {
  std::error_code error;
  const fs::path executable = fs::canonical(program, error);
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    std::error_code gone;
    if (fs::read_symlink(entry.path() / "exe", gone) != executable) continue;
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    const std::string line{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (line.find('\0' + argument + '\0') != std::string::npos) return pid;
  }
  return -1;
}

}  // namespace

Result<MountPoint> MountPoint::Make(const std::string& scratch) {
  std::string path = scratch + "/mount-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return Status::FromErrno(errno, "cannot make a directory in " + scratch);
  return MountPoint(std::move(path));
}

MountPoint::MountPoint(MountPoint&& other) noexcept : path_(std::exchange(other.path_, {})) {}

MountPoint::~MountPoint() {
  if (path_.empty()) return;
  // Lazily only where somebody holds it: a lazy unmount may give its memory back later than the next measurement.
  if (::umount2(path_.c_str(), 0) != 0 && errno == EBUSY) ::umount2(path_.c_str(), MNT_DETACH);
  ::rmdir(path_.c_str());
}

Result<MountPoint> MountTmpfs(const std::string& scratch, TmpfsPages pages) {
  SHARDFS_ASSIGN_OR_RETURN(MountPoint point, MountPoint::Make(scratch));
  const std::string options =
      fmt::format("mode=0700,size=95%{}", pages == TmpfsPages::kHuge ? ",huge=always" : ",huge=never");
  if (::mount("shardfs-bench", point.path().c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return Status::FromErrno(errno, "cannot mount a tmpfs with " + options);
  }
  return point;
}

bool HasHugeTmpfs(const std::string& scratch) {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
  const std::string setting{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return !setting.empty() && setting.find("[deny]") == std::string::npos && MountTmpfs(scratch, TmpfsPages::kHuge).ok();
}

Result<FuseMount> FuseMount::Start(const std::string& scratch, std::vector<std::string> arguments) {
  SHARDFS_ASSIGN_OR_RETURN(MountPoint point, MountPoint::Make(scratch));
  arguments.push_back(point.path());
  SHARDFS_ASSIGN_OR_RETURN(const ProcessResult result, RunProcess(arguments));
  const pid_t daemon = FindProcess(arguments[0], point.path());
  return FuseMount(std::move(point), result.seconds, daemon);
}

FuseMount::FuseMount(FuseMount&& other) noexcept
    : point_(std::move(other.point_)), seconds_(other.seconds_), daemon_(std::exchange(other.daemon_, -1)) {}

FuseMount::~FuseMount() {
  const FileDescriptor daemon(daemon_ > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, daemon_, 0)) : -1);
  { const MountPoint ended = std::move(point_); }
  if (!daemon.valid()) return;
  pollfd event{daemon.get(), POLLIN, 0};
  ::poll(&event, 1, kDaemonEndMilliseconds);
}

Result<std::uint64_t> FuseMount::PeakMemory() const {
  std::ifstream file(fmt::format("/proc/{}/status", daemon_));
  for (std::string name; file >> name;) {
    std::uint64_t kib = 0;
    if (name == "VmHWM:" && file >> kib) return kib * 1024;
    std::getline(file, name);
  }
  return Status::NotFound("the daemon of " + path() + " was not found, so its peak memory is not known");
}

}  // namespace shardfs::bench
