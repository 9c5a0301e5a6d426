#include "bench/machine.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include <ctime>
#include <fstream>
#include <iterator>
#include <thread>

#include "bench/memory.h"

namespace shardfs::bench {
namespace {

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line.empty() ? "unknown" : line;
}

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    // "model name" on x86, "CPU part" and the like on Arm.
    if (line.starts_with("model name") || line.starts_with("CPU part")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

std::string FilesystemName(const std::string& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return "unknown";
  switch (info.f_type) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
      return "tmpfs";
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case XFS_SUPER_MAGIC:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlay";
    case NFS_SUPER_MAGIC:
      return "nfs";
    default:
      return fmt::format("type {:#x}", static_cast<unsigned long>(info.f_type));
  }
}

std::vector<std::pair<std::string, std::string>> DescribeMachine(const std::string& directory) {
  utsname system{};
  ::uname(&system);
  const std::string huge_pages = "/sys/kernel/mm/transparent_hugepage/";
  return {{"cpu", ProcessorName()},
          {"cores", std::to_string(std::thread::hardware_concurrency())},
          {"memory", fmt::format("{:.1f} GiB", static_cast<double>(MemoryInfo("MemTotal")) / (1 << 30))},
          {"kernel", fmt::format("{} {} {}", system.sysname, system.release, system.machine)},
          {"huge pages of anonymous memory", FirstLine(huge_pages + "enabled")},
          {"huge pages of shared memory", FirstLine(huge_pages + "shmem_enabled")},
          {"source on", FilesystemName(directory)},
          {"date", fmt::format("{:%Y-%m-%d %H:%M}", fmt::localtime(std::time(nullptr)))}};
}

}  // namespace shardfs::bench
