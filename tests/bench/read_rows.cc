// What one process reads of a mount: by read(), by mmap and past the page cache.
#include "bench/benchmarks.h"
#include "bench/fuse_mounts.h"
#include "bench/memory.h"
#include "bench/statistics.h"

namespace shardfs::bench {
namespace {

Row RowOf(const CheckpointCase& checkpoint, const char* name, const char* against, double target) {
  Row row;
  row.name = std::string(name) + ", " + checkpoint.name;
  row.against = against;
  row.unit = "GB/s";
  row.target = Target{Bound::kRatioAtLeast, target};
  return row;
}

// The two reads of one mount: `fresh` mounts and reads, `again` reads what is mounted and unmounts. Interleave may take
// them in either order, so each brings its own mount, and `again` reads it once before.
struct MountReads {
  Measurement fresh, again;
};

MountReads ReadsOf(const Workplace& workplace, const CheckpointCase& checkpoint, const Sample& sample, ReadMode mode) {
  const auto read = [&workplace, &checkpoint, &sample, mode](bool again) -> Result<double> {
    TouchMemory(sample.bytes);
    SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, MountCheckpoint(workplace, checkpoint));
    Result<double> rate = TimeRead(workplace, mode, mount.path(), sample, again ? 0 : sample.bytes);
    return again && rate.ok() ? TimeRead(workplace, mode, mount.path(), sample, 0) : rate;
  };
  return {[read] { return read(false); }, [read] { return read(true); }};
}

}  // namespace

Result<Rows> MeasureReads(const Workplace& workplace, const CheckpointCase& checkpoint) {
  const Sample sample = SampleOf(checkpoint, workplace.sample_bytes());
  SHARDFS_RETURN_IF_ERROR(WarmFiles(checkpoint.source_files));
  SHARDFS_ASSIGN_OR_RETURN(const MountPoint tmpfs, CopyToTmpfs(workplace, checkpoint, sample));
  const MountReads ours = ReadsOf(workplace, checkpoint, sample, ReadMode::kBuffered);
  const Measurement null = [&]() -> Result<double> {
    SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, MountNull(workplace, checkpoint));
    return TimeRead(workplace, ReadMode::kBuffered, mount.path(), sample, sample.bytes);
  };
  const Measurement plain = [&] { return TimeRead(workplace, ReadMode::kBuffered, tmpfs.path(), sample, 0); };
  SHARDFS_ASSIGN_OR_RETURN(const auto values,
                           Interleave(workplace.short_rounds(), {ours.fresh, null, ours.again, plain}));
  Row fresh = RowOf(checkpoint, "read, fresh mount", "a FUSE daemon that replies from one hot buffer", 0.9);
  Row again = RowOf(checkpoint, "read, second time", "read of plain tmpfs", 0.9);
  Row context = RowOf(checkpoint, "read, fresh mount / tmpfs", "read of plain tmpfs", 0);
  Row ceiling = RowOf(checkpoint, "read, null daemon / tmpfs", "read of plain tmpfs", 0);
  context.target = ceiling.target = std::nullopt;
  fresh.ours = context.ours = values[0];
  fresh.reference = ceiling.ours = values[1];
  again.ours = values[2];
  again.reference = context.reference = ceiling.reference = values[3];
  return Rows{fresh, again, context, ceiling};
}

Result<Rows> MeasureMapped(const Workplace& workplace, const CheckpointCase& checkpoint) {
  const Sample sample = SampleOf(checkpoint, workplace.sample_bytes());
  SHARDFS_RETURN_IF_ERROR(WarmFiles(checkpoint.source_files));
  SHARDFS_ASSIGN_OR_RETURN(const MountPoint tmpfs, CopyToTmpfs(workplace, checkpoint, sample));
  const MountReads ours = ReadsOf(workplace, checkpoint, sample, ReadMode::kMapped);
  const Measurement plain = [&] { return TimeRead(workplace, ReadMode::kMapped, tmpfs.path(), sample, 0); };
  SHARDFS_ASSIGN_OR_RETURN(const auto values, Interleave(workplace.short_rounds(), {ours.fresh, plain, ours.again}));
  Row fresh = RowOf(checkpoint, "mmap, fresh mount", "mmap of plain tmpfs", 0.5);
  Row again = RowOf(checkpoint, "mmap, second time", "mmap of plain tmpfs", 1.0);
  fresh.ours = values[0];
  fresh.reference = again.reference = values[1];
  again.ours = values[2];
  return Rows{fresh, again};
}

Result<Rows> MeasureDirect(const Workplace& workplace, const CheckpointCase& checkpoint) {
  const Sample sample = SampleOf(checkpoint, workplace.sample_bytes());
  SHARDFS_RETURN_IF_ERROR(WarmFiles(checkpoint.source_files));
  SHARDFS_ASSIGN_OR_RETURN(const MountPoint tmpfs, CopyToTmpfs(workplace, checkpoint, sample));
  const MountReads ours = ReadsOf(workplace, checkpoint, sample, ReadMode::kDirect);
  const Measurement plain = [&] { return TimeRead(workplace, ReadMode::kBuffered, tmpfs.path(), sample, 0); };
  SHARDFS_ASSIGN_OR_RETURN(const auto values, Interleave(workplace.short_rounds(), {ours.fresh, plain}));
  Row row = RowOf(checkpoint, "read, O_DIRECT 4 MiB, fresh mount", "read of plain tmpfs through the page cache", 1.1);
  row.ours = values[0];
  row.reference = values[1];
  return Rows{row};
}

}  // namespace shardfs::bench
