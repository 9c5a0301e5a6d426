// What `plan` says of the cuts: each rule, the tensors of one shape that it takes, and what a rank gets of one.
// Source: spec/rank-cuts.md, section 7.
#pragma once

#include <string>
#include <vector>

#include "layout/rank_cut/placement.h"

namespace shardfs::rank_cut {

// A line for each rule and shape, in the checkpoint's order:
// "model.layers.{L}.mlp.up_proj.weight: 4 tensors [64, 32]; of its layer's stage; axis 0 over tp 2: [32, 32] a rank".
std::vector<std::string> CutTable(const TableInForce& in_force, const Placement& placement);

}  // namespace shardfs::rank_cut
