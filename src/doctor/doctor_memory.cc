// Probes of doctor.h: tmpfs, memory, and limits against what the plan needs.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/text_file.h"
#include "console/message_text.h"
#include "doctor/doctor.h"
#include "materialize/memory_limits.h"
#include "shardfs/base/format_bytes.h"

namespace shardfs {
namespace {

// The tmpfs that files would be materialized into: where MOUNTPOINT lies, if that is one, else /dev/shm.
struct Target {
  std::string path;
  std::optional<MountWithOptions> mount;  // nothing when it is no tmpfs
  bool chosen = false;                    // by the user, and not by this program
};

Target TargetOf(const DoctorSystem& system, const DoctorTask& task) {
  const auto is_tmpfs = [](const std::optional<MountWithOptions>& mount) {
    return mount && mount->entry.type == "tmpfs";
  };
  if (!task.mount_point.empty()) {
    auto mount = MountOf(system, task.mount_point);
    if (is_tmpfs(mount)) {
      const std::string path = mount->entry.mount_point;
      return {path, std::move(mount), true};
    }
  }
  auto mount = MountOf(system, "/dev/shm");
  if (!is_tmpfs(mount) || mount->entry.mount_point != "/dev/shm") mount.reset();
  return {"/dev/shm", std::move(mount), false};
}

// Materializing would fail: wrong for who asked for it by naming a place in tmpfs, and good to know for others.
Finding DoesNotFit(const Target& target, Text subject, Text message, Text remedy) {
  Finding finding = Advice(std::move(subject), std::move(message), std::move(remedy));
  if (target.chosen) finding.level = Finding::Level::kWrong;
  return finding;
}

Text LessMemory() { return Tr("share the ranks among more nodes (--nnodes), or mount instead of materialize"); }

// What may still be filled of this machine's memory, or of a control group's.
std::optional<MemoryLimit> LeastMemory(const DoctorSystem& system) {
  const auto limits = ReadMemoryLimits({system.At("/proc"), system.At("/sys/fs/cgroup")});
  const auto least = std::min_element(limits.begin(), limits.end(), [](const MemoryLimit& a, const MemoryLimit& b) {
    return a.available < b.available;
  });
  return least == limits.end() ? std::nullopt : std::optional(*least);
}

// Bytes of memory that the machine has; 0 when it does not say.
std::uint64_t MemoryOf(const DoctorSystem& system) {
  const auto text = ReadTextFile(system.At("/proc/meminfo"));
  std::istringstream words(text.ok() ? *text : "");
  for (std::string word; words >> word;) {
    std::uint64_t kib = 0;
    if (word == "MemTotal:" && words >> kib) return kib << 10;
  }
  return 0;
}

std::uint64_t RoundUpToGib(std::uint64_t bytes) { return (bytes + (1ull << 30) - 1) >> 30; }

}  // namespace

Result<Room> RoomAt(const std::string& path) {
  struct statvfs attributes {};
  if (::statvfs(path.c_str(), &attributes) != 0) return Status::FromErrno(errno, path);
  return Room{attributes.f_blocks * attributes.f_frsize, attributes.f_bavail * attributes.f_frsize, attributes.f_files,
              attributes.f_favail};
}

Finding ProbeTmpfs(const DoctorSystem& system, const DoctorTask& task) {
  const Target target = TargetOf(system, task);
  const std::string subject = "tmpfs " + target.path;
  if (!target.mount) {
    return Advice(subject, Tr("is no tmpfs, so there is none to materialize into"),
                  Tr("mount -t tmpfs -o size=90%,huge=within_size tmpfs /dev/shm"));
  }
  const auto room = system.room(target.path);
  if (!room.ok()) return Advice(subject, TextOf(room.status()), Tr("mount it again"));
  const Text sizes = Tr("{} free of {}", FormatBytes(room->free), FormatBytes(room->total));
  if (!task.node_bytes) return Ok(subject, sizes);
  if (room->free >= *task.node_bytes) {
    return Ok(subject, Tr("{}; a node's files take {}", sizes, FormatBytes(*task.node_bytes)));
  }
  const std::uint64_t used = room->total - std::min(room->total, room->free);
  const std::uint64_t wanted_gib = RoundUpToGib(*task.node_bytes + used) + 1;
  const auto least = LeastMemory(system);
  const std::uint64_t memory = MemoryOf(system);
  const bool fits = (!least || *task.node_bytes <= least->available) && (memory == 0 || wanted_gib <= memory >> 30);
  const Text message = Tr("{}, and a node's files take {}", sizes, FormatBytes(*task.node_bytes));
  if (fits) {
    return DoesNotFit(target, subject, message, Tr("mount -o remount,size={}G {}", wanted_gib, target.path));
  }
  return DoesNotFit(target, subject, Tr("{}, more than there is memory for", message), LessMemory());
}

Finding ProbeInodes(const DoctorSystem& system, const DoctorTask& task) {
  const Target target = TargetOf(system, task);
  const Text subject = Tr("inodes");
  if (!target.mount) return Ok(subject, Tr("no tmpfs to have them"));
  const auto room = system.room(target.path);
  if (!room.ok()) return Advice(subject, TextOf(room.status()), Tr("mount it again"));
  if (room->inodes == 0) return Ok(subject, Tr("{} has no limit of them", target.path));
  const Text free = Tr("{} of {} are free in {}", room->free_inodes, room->inodes, target.path);
  if (task.node_inodes <= room->free_inodes) return Ok(subject, free);
  return DoesNotFit(target, subject, Tr("{}, and a node's files and directories need {}", free, task.node_inodes),
                    Tr("mount -o remount,nr_inodes={} {}", room->inodes + task.node_inodes, target.path));
}

Finding ProbeHugePages(const DoctorSystem& system, const DoctorTask& task) {
  const Target target = TargetOf(system, task);
  if (!target.mount) return Advice(Tr("huge pages"), Tr("no tmpfs to have them"), Tr("see tmpfs"));
  const auto text = ReadTextFile(system.At("/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
  if (!text.ok()) {
    return Advice(Tr("huge pages"), Tr("the kernel has none for tmpfs"),
                  Tr("run a kernel with CONFIG_TRANSPARENT_HUGEPAGE"));
  }
  // "always within_size advise [never] deny force"
  const std::size_t open = text->find('[');
  const std::string mode = open == std::string::npos ? "" : text->substr(open + 1, text->find(']') - open - 1);
  if (mode == "deny") {
    return Advice(
        Tr("huge pages"), Tr("shmem_enabled is deny"),
        Tr("echo never > /sys/kernel/mm/transparent_hugepage/shmem_enabled, and mount tmpfs with huge=within_size"));
  }
  const std::string option = OptionValue(target.mount->super_options, "huge").value_or("never");
  if (option == "always" || option == "within_size" || mode == "force") {
    return Ok(Tr("huge pages"), Tr("{} with huge={}", target.path, mode == "force" ? "force" : option));
  }
  return Advice(Tr("huge pages"),
                Tr("{} has huge={}; huge pages make materializing and loading faster", target.path, option),
                Tr("mount -o remount,huge=within_size {}", target.path));
}

Finding ProbeMemory(const DoctorSystem& system, const DoctorTask& task) {
  const auto least = LeastMemory(system);
  if (!least) {
    return Advice(Tr("memory"), Tr("neither /proc/meminfo nor a control group can be read"),
                  Tr("mount -t proc proc /proc"));
  }
  const Text available = Tr("{} available ({})", FormatBytes(least->available), TextOfMessage(least->name));
  if (!task.node_bytes) return Ok(Tr("memory"), available);
  if (least->available >= *task.node_bytes) {
    return Ok(Tr("memory"), Tr("{}; a node's files take {}", available, FormatBytes(*task.node_bytes)));
  }
  return DoesNotFit(
      TargetOf(system, task), Tr("memory"),
      Tr("{}, and a node's files take {}: they fit into no tmpfs here", available, FormatBytes(*task.node_bytes)),
      Tr("raise the limit, {}", LessMemory()));
}

Finding ProbeSwap(const DoctorSystem& system) {
  const auto text = ReadTextFile(system.At("/proc/swaps"));
  const std::int64_t lines = text.ok() ? std::count(text->begin(), text->end(), '\n') : 0;
  if (lines <= 1) return Ok(Tr("swap"), Tr("none, so tmpfs stays in memory"));
  return Advice(Tr("swap"), Tr("is on, and files in tmpfs can end in it"),
                Tr("swapoff -a, or mount tmpfs with the option noswap (kernel 6.4 or later)"));
}

Finding ProbeOpenFiles(const DoctorSystem& system, const DoctorTask& task) {
  constexpr std::uint64_t kOthers = 32;  // what the program has open beside the source
  const auto text = ReadTextFile(system.At("/proc/self/limits"));
  std::istringstream lines(text.ok() ? *text : "");
  std::uint64_t hard = 0;
  bool unlimited = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("Max open files")) continue;
    std::istringstream words(line.substr(14));
    std::string soft;
    std::string limit;
    words >> soft >> limit;
    unlimited = limit == "unlimited";
    std::from_chars(limit.data(), limit.data() + limit.size(), hard);
  }
  if (unlimited) return Ok(Tr("open files"), Tr("no limit"));
  if (hard == 0) return Advice(Tr("open files"), Tr("the limit cannot be read"), Tr("mount -t proc proc /proc"));
  const std::uint64_t needed = task.source_files + kOthers;
  if (hard < needed) {
    return Wrong(Tr("open files"),
                 Tr("the hard limit is {}, and the source's {} files need {}", hard, task.source_files, needed),
                 Tr("ulimit -Hn {}; LimitNOFILE={} (systemd); --ulimit nofile={} (Docker)", needed, needed, needed));
  }
  return Ok(Tr("open files"), task.source_files == 0 ? Tr("hard limit {}", hard)
                                                     : Tr("hard limit {}; the source has {}", hard, task.source_files));
}

}  // namespace shardfs
