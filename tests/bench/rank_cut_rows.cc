// The files of all ranks of a rank cut: column cuts (o_proj, down_proj) take a part of each row for each rank, so that
// the whole must be read once and shared out.
#include "bench/benchmarks.h"

namespace shardfs::bench {

Result<Rows> MeasureRankCut(const Workplace& workplace) {
  SHARDFS_ASSIGN_OR_RETURN(const CheckpointCase checkpoint, PrepareCheckpoint(workplace, kRankCutCheckpoint));
  SHARDFS_ASSIGN_OR_RETURN(Rows rows, MeasureMaterialize(workplace, checkpoint));
  SHARDFS_ASSIGN_OR_RETURN(const Rows source, MeasureSourceBytes(workplace, checkpoint));
  rows.insert(rows.end(), source.begin(), source.end());
  SHARDFS_RETURN_IF_ERROR(RemoveCheckpoint(workplace, checkpoint.name));
  return rows;
}

}  // namespace shardfs::bench
