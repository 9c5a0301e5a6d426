#include "bench/benchmarks.h"
#include "bench/copies.h"
#include "bench/memory.h"
#include "bench/statistics.h"

namespace shardfs::bench {
namespace {

constexpr const char* kNoHugePages =
    "this kernel gives a tmpfs no huge pages (shmem_enabled, CONFIG_TRANSPARENT_HUGEPAGE)";

Measurement Materialize(const Workplace& workplace, const CheckpointCase& checkpoint, TmpfsPages pages) {
  return [&workplace, &checkpoint, pages] {
    return TimeIntoTmpfs(
        workplace, pages, checkpoint.output_bytes, checkpoint.output_bytes, [&](const std::string& destination) {
          std::vector<std::string> arguments = {workplace.shardfs, "materialize", checkpoint.source, destination};
          for (const std::string& argument : checkpoint.arguments) arguments.push_back(argument);
          return arguments;
        });
  };
}

Measurement Copy(const Workplace& workplace, const CheckpointCase& checkpoint, TmpfsPages pages) {
  return [&workplace, &checkpoint, pages] {
    return TimeIntoTmpfs(workplace, pages, checkpoint.output_bytes, checkpoint.output_bytes,
                         [&](const std::string& destination) {
                           return std::vector<std::string>{"cp", "-r", checkpoint.finished, destination};
                         });
  };
}

Row RowOf(const CheckpointCase& checkpoint, const char* name, const char* against, double target) {
  Row row;
  row.name = std::string(name) + ", " + checkpoint.name;
  row.against = against;
  row.unit = "GB/s";
  row.target = Target{Bound::kRatioAtLeast, target};
  return row;
}

Status Warm(const CheckpointCase& checkpoint) {
  std::vector<std::string> finished;
  for (const OutputFile& file : checkpoint.files) finished.push_back(checkpoint.finished + "/" + file.path);
  SHARDFS_RETURN_IF_ERROR(WarmFiles(checkpoint.source_files));
  return WarmFiles(finished);
}

}  // namespace

Result<Rows> MeasureMaterialize(const Workplace& workplace, const CheckpointCase& checkpoint) {
  SHARDFS_RETURN_IF_ERROR(Warm(checkpoint));
  std::vector<Measurement> variants = {Materialize(workplace, checkpoint, TmpfsPages::kSmall),
                                       Copy(workplace, checkpoint, TmpfsPages::kSmall)};
  const bool huge = HasHugeTmpfs(workplace.scratch);
  if (huge) {
    variants.push_back(Materialize(workplace, checkpoint, TmpfsPages::kHuge));
    variants.push_back(Copy(workplace, checkpoint, TmpfsPages::kHuge));
    variants.push_back(Copy(workplace, checkpoint, TmpfsPages::kHuge));
  }
  SHARDFS_ASSIGN_OR_RETURN(const auto values, Interleave(workplace.rounds(), variants));
  Row small = RowOf(checkpoint, "materialize, 4 KiB pages", "cp -r of the finished directory, 4 KiB pages", 1.1);
  Row same = RowOf(checkpoint, "materialize, huge pages", "cp -r of the finished directory, huge pages", 1.2);
  Row across =
      RowOf(checkpoint, "materialize, huge pages / cp 4 KiB", "cp -r of the finished directory, 4 KiB pages", 1.7);
  small.ours = values[0];
  small.reference = values[1];
  // What the machine itself makes of one round and another: the same command on both sides.
  Row itself = RowOf(checkpoint, "  cp -r against itself, huge pages", "the same cp -r", 0);
  itself.target = std::nullopt;
  if (huge) {
    same.ours = across.ours = values[2];
    same.reference = itself.reference = values[3];
    across.reference = values[1];
    itself.ours = values[4];
  } else {
    same.skipped = across.skipped = itself.skipped = kNoHugePages;
  }
  return Rows{small, same, itself, across};
}

}  // namespace shardfs::bench
