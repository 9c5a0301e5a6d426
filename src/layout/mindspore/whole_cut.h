// WholeCut: whole tensors cut by a destination's strategy, or handed on where there is none. (spec/mindspore.md,
// section 6 with a source of one device, and the cut of section 7)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layout/mindspore/rank_cut.h"
#include "layout/mindspore/slice.h"
#include "layout/mindspore/strategy.h"

namespace shardfs {

// The grids of all layouts of a strategy.
class StrategyGrids {
 public:
  StrategyGrids(StrategyPtr strategy, Placement placement);

  const StrategyPtr& strategy() const { return strategy_; }
  // How `parameter` is cut for a rank of the destination. kCorruption where its layout is wrong.
  Result<const SliceGrid*> GridFor(const StrategyParameter& parameter, std::uint32_t rank) const;
  Result<const SliceGrid*> GridOf(std::uint32_t layout) const;

 private:
  StrategyPtr strategy_;
  std::vector<Result<SliceGrid>> grids_;
};

// The slice of a whole tensor that a device holds.
Result<TensorPtr> CutTensor(TensorPtr whole, const SliceGrid& grid, std::uint32_t device);

// The rank within its stage, by which slices are chosen.
inline std::uint32_t LocalRank(const Strategy& strategy, std::uint32_t rank) { return rank % strategy.devices(); }

// Builds the expression of every tensor once, as files that are made when they are first read must not find then that
// the source does not hold them.
Status CheckAllBuild(const Checkpoint& checkpoint);

struct WholeCutOptions {
  bool complete = false;
  Placement placement = Placement::kTools;
};

// The transform of whole tensors. `destination` may be null: one rank gets all. kInvalidArgument where no tensor of the
// checkpoint is in the strategy.
Result<RankCutPtr> MakeWholeCut(CheckpointPtr checkpoint, StrategyPtr destination, const WholeCutOptions& options);

}  // namespace shardfs
