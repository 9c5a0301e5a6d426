// What the plan and its page say of each rank of a rank cut, and what no file can tell.
#pragma once

#include <string>
#include <vector>

#include "layout/rank_cut/placement.h"
#include "shardfs/view/view.h"

namespace shardfs::rank_cut {

// Fills View::ranks, expert_groups and layers.
void DescribeRanks(const TableInForce& in_force, const Placement& placement, View* view);

// What only the loader knows, each with what the table says and the option that says otherwise.
// (spec/rank-cuts.md, section 6)
std::vector<std::string> QuestionsOf(const TableInForce& in_force, const Placement& placement);

}  // namespace shardfs::rank_cut
