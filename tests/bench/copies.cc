#include "bench/copies.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "bench/memory.h"
#include "bench/process.h"

namespace shardfs::bench {

Result<double> TimeIntoTmpfs(const Workplace& workplace, TmpfsPages pages, std::uint64_t bytes,
                             std::uint64_t fresh_bytes,
                             const std::function<std::vector<std::string>(const std::string&)>& arguments) {
  constexpr std::uint64_t kSpare = std::uint64_t{512}
                                   << 20;  // page tables, the partly used huge pages, the writer itself
  SHARDFS_ASSIGN_OR_RETURN(const MountPoint tmpfs, MountTmpfs(workplace.scratch, pages));
  TouchMemory(fresh_bytes + kSpare);
  SHARDFS_ASSIGN_OR_RETURN(const ProcessResult result, RunProcess(arguments(tmpfs.path() + "/out")));
  struct statvfs info {};
  if (::statvfs(tmpfs.path().c_str(), &info) != 0) return Status::FromErrno(errno, "statvfs of " + tmpfs.path());
  const std::uint64_t written = (info.f_blocks - info.f_bfree) * info.f_frsize;
  if (written < bytes) return Status::IoError(fmt::format("{} bytes were written instead of {}", written, bytes));
  return GigabytesPerSecond(bytes, result.seconds);
}

}  // namespace shardfs::bench
