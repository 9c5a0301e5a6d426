#include <fmt/format.h>

#include <algorithm>

#include "bench/benchmarks.h"
#include "bench/memory.h"
#include "bench/memory_cgroup.h"
#include "bench/mounts.h"
#include "bench/process.h"

namespace shardfs::bench {

// The output lies in a tmpfs, whose pages count as well: what is left for the source is an eighth of it.
Result<Rows> MeasureSourceBytes(const Workplace& workplace, const CheckpointCase& checkpoint) {
  const std::uint64_t cache = std::max<std::uint64_t>(checkpoint.source_bytes / 8, std::uint64_t{400} << 20);
  Row row;
  row.name = "source bytes read, little page cache, " + checkpoint.name;
  row.against = "size of the source";
  row.unit = "GB";
  row.target = Target{Bound::kRatioAtMost, 1.02};
  Result<MemoryCgroup> cgroup = MemoryCgroup::Make(checkpoint.output_bytes + cache);
  if (!cgroup.ok()) {
    row.skipped = cgroup.status().message();
    return Rows{row};
  }
  SHARDFS_RETURN_IF_ERROR(DropFiles(checkpoint.source_files));
  SHARDFS_ASSIGN_OR_RETURN(const double cached, CachedShare(checkpoint.source_files));
  if (cached > 0.001) {
    row.skipped = fmt::format("{:.1f} % of the source stay in the page cache when they are dropped", cached * 100);
    return Rows{row};
  }
  SHARDFS_ASSIGN_OR_RETURN(const MountPoint tmpfs, MountTmpfs(workplace.scratch, TmpfsPages::kSmall));
  std::vector<std::string> arguments = {workplace.shardfs, "materialize", checkpoint.source, tmpfs.path() + "/out"};
  arguments.insert(arguments.end(), checkpoint.layout.begin(), checkpoint.layout.end());
  SHARDFS_ASSIGN_OR_RETURN(const ProcessResult result,
                           RunProcess(arguments, {.cgroup_procs = cgroup->procs(), .standard_input = -1}));
  row.ours = {static_cast<double>(result.bytes_from_disk) / 1e9};
  row.reference = {static_cast<double>(checkpoint.source_bytes) / 1e9};
  return Rows{row};
}

}  // namespace shardfs::bench
