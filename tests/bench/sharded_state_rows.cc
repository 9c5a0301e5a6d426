// What the rows of the mindie layout measure, of vLLM's sharded_state for 16 ranks.
#include "bench/benchmarks.h"

namespace shardfs::bench {
namespace {

Result<Rows> Measure(const Workplace& workplace) {
  SHARDFS_ASSIGN_OR_RETURN(const CheckpointCase checkpoint, PrepareCheckpoint(workplace, kShardedState));
  SHARDFS_ASSIGN_OR_RETURN(Rows rows, MeasureMaterialize(workplace, checkpoint));
  SHARDFS_ASSIGN_OR_RETURN(const Rows reads, MeasureReads(workplace, checkpoint));
  rows.insert(rows.end(), reads.begin(), reads.end());
  return rows;
}

}  // namespace

Result<Rows> MeasureShardedState(const Workplace& workplace) {
  Result<Rows> rows = Measure(workplace);
  const Status removed = RemoveCheckpoint(workplace, kShardedState);
  return rows.ok() && !removed.ok() ? removed : rows;
}

}  // namespace shardfs::bench
