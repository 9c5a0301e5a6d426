// SliceCut: slices of a source of ranks, cut anew by a destination's strategy. (spec/mindspore.md, section 6)
#pragma once

#include <string>
#include <vector>

#include "layout/mindspore/rank_cut.h"
#include "layout/mindspore/whole_cut.h"

namespace shardfs {

// What `plan` says of a cut.
struct SliceCutAccount {
  std::vector<std::string> raw;  // parameters of the source's strategy that are handed on as slices
  std::vector<std::string> warnings;
};

// The transform of a source of ranks with a strategy. `destination` may be null: one rank gets all. Refuses what the
// tools refuse, and where they would lose or spoil data without an error; with `complete`, what is held somewhere is
// shown. `account` gets what the plan says.
Result<RankCutPtr> MakeSliceCut(MindsporeSourcePtr source, StrategyPtr destination, const WholeCutOptions& options,
                                SliceCutAccount* account);

}  // namespace shardfs
