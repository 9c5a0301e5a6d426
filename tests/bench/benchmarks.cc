#include "bench/benchmarks.h"

namespace shardfs::bench {

const std::vector<CheckpointBenchmark>& CheckpointBenchmarks() {
  static const std::vector<CheckpointBenchmark> benchmarks = {
      {"materialize", "materialize into a tmpfs, with small and with huge pages, beside cp -r", MeasureMaterialize},
      {"copy", "cp -r from a fresh mount into a tmpfs, beside cp -r of a plain directory", MeasureCopy},
      {"reads", "read() of whole files, fresh and again, beside a null daemon and a plain tmpfs", MeasureReads},
      {"mapped", "mmap copied out, fresh and again, beside a plain tmpfs", MeasureMapped, false},
      {"ranks", "16 processes map their ranks' folders at once, beside one that maps the same", MeasureRanks, false},
      {"direct", "read() with O_DIRECT, beside read() of a plain tmpfs", MeasureDirect, false},
      {"small", "stat, and open + pread + close at random places", MeasureSmall, false},
      {"source-bytes", "what materialize reads of a source larger than the page cache", MeasureSourceBytes, false},
  };
  return benchmarks;
}

const std::vector<Benchmark>& OtherBenchmarks() {
  static const std::vector<Benchmark> benchmarks = {
      {"kernels", "short rows, transposes and casts by one thread, beside memcpy", MeasureKernels},
      {"lora", "read() of a mount with a LoRA adapter, beside the same without one", MeasureLora},
      {"true-scale", "mounts at true scale: DeepSeek-R1 W8A8 beside reading its headers, and sharded_state", MeasureTrueScale},
      {"sharded-state", "materialize and read() of vLLM's sharded_state, beside cp -r and a plain tmpfs", MeasureShardedState},
  };
  return benchmarks;
}

}  // namespace shardfs::bench
