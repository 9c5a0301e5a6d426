#include <fmt/format.h>

#include <algorithm>

#include "bench/benchmarks.h"
#include "bench/copies.h"
#include "bench/fuse_mounts.h"
#include "bench/memory.h"
#include "bench/statistics.h"

namespace shardfs::bench {
namespace {

constexpr std::uint64_t kRanks = 16;

// Mounts, maps the lists' files in a process for each list, and returns GB/s of all together.
Result<double> TimeLists(const Workplace& workplace, const CheckpointCase& checkpoint,
                         const std::vector<std::vector<std::string>>& lists) {
  SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, MountCheckpoint(workplace, checkpoint));
  std::vector<std::vector<std::string>> paths;
  for (const auto& list : lists) paths.push_back(Below(mount.path(), list));
  TouchMemory(checkpoint.output_bytes);
  SHARDFS_ASSIGN_OR_RETURN(const ReadResult result, ReadFiles(workplace.reader, ReadMode::kMapped, paths));
  return GigabytesPerSecond(result.bytes, result.seconds);
}

}  // namespace

Result<Rows> MeasureRanks(const Workplace& workplace, const CheckpointCase& checkpoint) {
  SHARDFS_RETURN_IF_ERROR(WarmFiles(checkpoint.source_files));
  std::vector<std::vector<std::string>> lists(kRanks);
  std::vector<std::string> all;  // folders of several ranks as often as they are read
  for (std::uint64_t rank = 0; rank < kRanks; ++rank) {
    for (const OutputFile& file : checkpoint.files) {
      if (!file.folder.empty() && std::count(file.ranks.begin(), file.ranks.end(), rank) > 0) {
        lists[rank].push_back(file.path);
      }
    }
    all.insert(all.end(), lists[rank].begin(), lists[rank].end());
  }
  const Measurement together = [&] { return TimeLists(workplace, checkpoint, lists); };
  const Measurement alone = [&] { return TimeLists(workplace, checkpoint, {all}); };
  SHARDFS_ASSIGN_OR_RETURN(const auto values, Interleave(workplace.rounds(), {together, alone}));
  Row row;
  row.name = fmt::format("mmap by {} ranks at once, fresh mount, {}", kRanks, checkpoint.name);
  row.against = "one process that maps the same bytes, fresh mount";
  row.unit = "GB/s";
  row.ours = values[0];
  row.reference = values[1];
  row.target = Target{Bound::kRatioAtLeast, 1.0};
  return Rows{row};
}

}  // namespace shardfs::bench
