// The checks of what ranks hold: pairs of tensors that must be cut alike, scales that must follow their weights, and
// that all ranks' files together are the checkpoint. Source: spec/rank-cuts.md, sections 2 and 4.
#pragma once

#include "layout/rank_cut/placement.h"

namespace shardfs::rank_cut {

// Codes: pair, scale, scale-block.
Status CheckPairs(const TableInForce& in_force, const Placement& placement);

// Codes: lost, copies. Each element of a tensor must be on as many ranks as the sizes of the groups that cut it say.
Status CheckCopies(const TableInForce& in_force, const Placement& placement);

}  // namespace shardfs::rank_cut
