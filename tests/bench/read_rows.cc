// What one process reads of a mount: by read(), by mmap and past the page cache. Rows without a target say what the
// null daemon reaches against the same reference, which is what the kernel leaves to any daemon, and what a daemon
// reaches that copies the finished files and does nothing else.
#include "bench/benchmarks.h"
#include "bench/fuse_mounts.h"
#include "bench/memory.h"
#include "bench/statistics.h"

namespace shardfs::bench {
namespace {

using Values = std::vector<double>;
using MountFunction = Result<FuseMount> (*)(const Workplace&, const CheckpointCase&);

// The sample's files, on the mounts and in a tmpfs.
class ReadCase {
 public:
  ReadCase(const Workplace& workplace, const CheckpointCase& checkpoint, ReadMode mode)
      : workplace_(workplace),
        checkpoint_(checkpoint),
        mode_(mode),
        sample_(SampleOf(checkpoint, workplace.sample_bytes())) {}

  // Of a new mount: the first read of it, or where `again`, the second.
  Measurement Of(MountFunction mount_function, bool again) const {
    return [this, mount_function, again]() -> Result<double> {
      SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, mount_function(workplace_, checkpoint_));
      Result<double> rate = TimeRead(workplace_, mode_, mount.path(), sample_, sample_.bytes);
      return again && rate.ok() ? TimeRead(workplace_, mode_, mount.path(), sample_, 0) : rate;
    };
  }

  // Reads all variants and copies in tmpfs, the latter in `plain_mode`; its values come last.
  Result<std::vector<Values>> Measure(std::vector<Measurement> variants, ReadMode plain_mode) const {
    SHARDFS_RETURN_IF_ERROR(WarmFiles(checkpoint_.source_files));
    SHARDFS_RETURN_IF_ERROR(WarmFiles(Below(checkpoint_.finished, sample_.files)));
    // A new copy each time: how fast pages are read depends on where they happen to lie.
    variants.push_back([&]() -> Result<double> {
      TouchMemory(sample_.bytes);
      SHARDFS_ASSIGN_OR_RETURN(const MountPoint tmpfs, CopyToTmpfs(workplace_, checkpoint_, sample_));
      return TimeRead(workplace_, plain_mode, tmpfs.path(), sample_, 0);
    });
    return Interleave(workplace_.short_rounds(), variants);
  }

  Row RowOf(const char* name, const char* against, std::optional<double> target, const Values& ours,
            const Values& reference) const {
    Row row;
    row.name = std::string(name) + ", " + checkpoint_.name;
    row.against = against;
    row.unit = "GB/s";
    row.ours = ours;
    row.reference = reference;
    if (target) row.target = Target{Bound::kRatioAtLeast, *target};
    return row;
  }

 private:
  const Workplace& workplace_;
  const CheckpointCase& checkpoint_;
  ReadMode mode_;
  Sample sample_;
};

constexpr const char* kPlainRead = "read of plain tmpfs";
constexpr const char* kPlainMapped = "mmap of plain tmpfs";
constexpr const char* kNull = "a FUSE daemon that replies from one hot buffer";
constexpr const char* kCopying = "a FUSE daemon that copies the finished files";
constexpr double kOfCopying = 0.97;  // what a cold read is to reach of the copying daemon's speed

}  // namespace

Result<Rows> MeasureReads(const Workplace& workplace, const CheckpointCase& checkpoint) {
  const ReadCase reads(workplace, checkpoint, ReadMode::kBuffered);
  SHARDFS_ASSIGN_OR_RETURN(
      const auto values,
      reads.Measure({reads.Of(MountCheckpoint, false), reads.Of(MountNull, false), reads.Of(MountCheckpoint, true),
                     reads.Of(MountNull, true), reads.Of(MountCopying, false)},
                    ReadMode::kBuffered));
  const Values &fresh = values[0], &null_fresh = values[1], &again = values[2], &null_again = values[3];
  const Values &copying = values[4], &plain = values[5];
  return Rows{reads.RowOf("read, fresh mount", kNull, 0.9, fresh, null_fresh),
              reads.RowOf("read, fresh mount / copying daemon", kCopying, kOfCopying, fresh, copying),
              reads.RowOf("  copying daemon, fresh / null daemon", kNull, std::nullopt, copying, null_fresh),
              reads.RowOf("read, second time", kPlainRead, 0.9, again, plain),
              reads.RowOf("  fresh mount / tmpfs", kPlainRead, std::nullopt, fresh, plain),
              reads.RowOf("  null daemon, fresh / tmpfs", kPlainRead, std::nullopt, null_fresh, plain),
              reads.RowOf("  null daemon, second time / tmpfs", kPlainRead, std::nullopt, null_again, plain)};
}

Result<Rows> MeasureMapped(const Workplace& workplace, const CheckpointCase& checkpoint) {
  const ReadCase reads(workplace, checkpoint, ReadMode::kMapped);
  SHARDFS_ASSIGN_OR_RETURN(
      const auto values,
      reads.Measure({reads.Of(MountCheckpoint, false), reads.Of(MountNull, false), reads.Of(MountCheckpoint, true),
                     reads.Of(MountNull, true), reads.Of(MountCopying, false)},
                    ReadMode::kMapped));
  const Values &fresh = values[0], &copying = values[4], &plain = values[5];
  return Rows{reads.RowOf("mmap, fresh mount", kPlainMapped, 0.5, fresh, plain),
              reads.RowOf("mmap, fresh mount / copying daemon", kCopying, kOfCopying, fresh, copying),
              reads.RowOf("mmap, second time", kPlainMapped, 1.0, values[2], plain),
              reads.RowOf("  null daemon, fresh / tmpfs mmap", kPlainMapped, std::nullopt, values[1], plain),
              reads.RowOf("  null daemon, second time / tmpfs mmap", kPlainMapped, std::nullopt, values[3], plain)};
}

Result<Rows> MeasureDirect(const Workplace& workplace, const CheckpointCase& checkpoint) {
  const ReadCase reads(workplace, checkpoint, ReadMode::kDirect);
  SHARDFS_ASSIGN_OR_RETURN(const auto values, reads.Measure({reads.Of(MountCheckpoint, false),
                                                             reads.Of(MountNull, false), reads.Of(MountCopying, false)},
                                                            ReadMode::kBuffered));
  const Values& plain = values[3];
  return Rows{reads.RowOf("read, O_DIRECT 4 MiB, fresh mount", kPlainRead, 1.1, values[0], plain),
              reads.RowOf("read, O_DIRECT 4 MiB / copying daemon", kCopying, kOfCopying, values[0], values[2]),
              reads.RowOf("  null daemon, O_DIRECT 4 MiB / tmpfs", kPlainRead, std::nullopt, values[1], plain),
              reads.RowOf("  copying daemon, O_DIRECT 4 MiB / tmpfs", kPlainRead, std::nullopt, values[2], plain)};
}

}  // namespace shardfs::bench
