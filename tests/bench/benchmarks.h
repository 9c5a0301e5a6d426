// The benchmarks, in the order in which they run. Each gives one row or a few that share their measurements.
//
// Thread-safety: one thread.
#pragma once

#include <string>
#include <vector>

#include "bench/checkpoint_case.h"
#include "bench/row.h"
#include "bench/workplace.h"
#include "shardfs/base/result.h"

namespace shardfs::bench {

using Rows = std::vector<Row>;

// Of a checkpoint.
Result<Rows> MeasureMaterialize(const Workplace& workplace, const CheckpointCase& checkpoint);
Result<Rows> MeasureCopy(const Workplace& workplace, const CheckpointCase& checkpoint);
Result<Rows> MeasureReads(const Workplace& workplace, const CheckpointCase& checkpoint);
Result<Rows> MeasureMapped(const Workplace& workplace, const CheckpointCase& checkpoint);
Result<Rows> MeasureRanks(const Workplace& workplace, const CheckpointCase& checkpoint);
Result<Rows> MeasureDirect(const Workplace& workplace, const CheckpointCase& checkpoint);
Result<Rows> MeasureSourceBytes(const Workplace& workplace, const CheckpointCase& checkpoint);
Result<Rows> MeasureSmall(const Workplace& workplace, const CheckpointCase& checkpoint);

// Of no checkpoint, or of one of its own.
Result<Rows> MeasureKernels(const Workplace& workplace);
Result<Rows> MeasureLora(const Workplace& workplace);
Result<Rows> MeasureTrueScale(const Workplace& workplace);
Result<Rows> MeasureShardedState(const Workplace& workplace);

struct CheckpointBenchmark {
  const char* name;
  const char* what;
  Result<Rows> (*measure)(const Workplace&, const CheckpointCase&);
  bool both = true;  // of each checkpoint in a quick run, too; else of kMainCheckpoint only
};
struct Benchmark {
  const char* name;
  const char* what;
  Result<Rows> (*measure)(const Workplace&);
};
const std::vector<CheckpointBenchmark>& CheckpointBenchmarks();
const std::vector<Benchmark>& OtherBenchmarks();

}  // namespace shardfs::bench
