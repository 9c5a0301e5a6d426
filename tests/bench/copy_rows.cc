#include <filesystem>

#include "bench/benchmarks.h"
#include "bench/copies.h"
#include "bench/fuse_mounts.h"
#include "bench/memory.h"
#include "bench/statistics.h"

namespace shardfs::bench {
namespace {

// `cp -r` of the sample's folders below `root` into one directory.
Result<double> TimeCopy(const Workplace& workplace, const Sample& sample, const std::string& root,
                        std::uint64_t fresh_bytes) {
  return TimeIntoTmpfs(workplace, TmpfsPages::kSmall, sample.bytes, fresh_bytes, [&](const std::string& destination) {
    std::error_code error;
    std::filesystem::create_directory(destination, error);
    std::vector<std::string> arguments = {"cp", "-r"};
    for (const std::string& folder : Below(root, sample.folders)) arguments.push_back(folder);
    arguments.push_back(destination);
    return arguments;
  });
}

}  // namespace

Result<Rows> MeasureCopy(const Workplace& workplace, const CheckpointCase& checkpoint) {
  const Sample sample = SampleOf(checkpoint, workplace.sample_bytes());
  SHARDFS_RETURN_IF_ERROR(WarmFiles(checkpoint.source_files));
  SHARDFS_RETURN_IF_ERROR(WarmFiles(Below(checkpoint.finished, sample.files)));
  const Measurement ours = [&]() -> Result<double> {
    SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, MountCheckpoint(workplace, checkpoint));
    return TimeCopy(workplace, sample, mount.path(), 2 * sample.bytes);
  };
  const Measurement reference = [&] { return TimeCopy(workplace, sample, checkpoint.finished, sample.bytes); };
  const Measurement null = [&]() -> Result<double> {
    SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, MountNull(workplace, checkpoint));
    return TimeCopy(workplace, sample, mount.path(), 2 * sample.bytes);
  };
  const Measurement copying = [&]() -> Result<double> {
    SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, MountCopying(workplace, checkpoint));
    return TimeCopy(workplace, sample, mount.path(), 2 * sample.bytes);
  };
  SHARDFS_ASSIGN_OR_RETURN(const auto values, Interleave(workplace.rounds(), {ours, reference, null, copying}));
  Row row;
  row.name = "cp -r from a fresh mount, " + checkpoint.name;
  row.against = "cp -r of the finished directory, both into 4 KiB pages";
  row.unit = "GB/s";
  row.ours = values[0];
  row.reference = values[1];
  row.target = Target{Bound::kRatioAtLeast, 0.8};
  // What the kernel leaves to any daemon.
  Row ceiling = row;
  ceiling.name = "  cp -r from a null daemon, " + checkpoint.name;
  ceiling.ours = values[2];
  ceiling.target = std::nullopt;
  Row copied = ceiling;
  copied.name = "  cp -r from a copying daemon, " + checkpoint.name;
  copied.ours = values[3];
  return Rows{row, ceiling, copied};
}

}  // namespace shardfs::bench
