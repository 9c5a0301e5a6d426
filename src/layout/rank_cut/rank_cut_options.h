// RankCutOptions: the options of the layout rank-cut, and what they change in its table.
// Source: spec/rank-cuts.md, section 1.
#pragma once

#include <span>
#include <string>

#include "layout/rank_cut/rule_table.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"
#include "shardfs/view/view.h"

namespace shardfs::rank_cut {

std::span<const OptionSpec> RankCutSpecs();

struct RankCutRequest {
  RuleTable table;     // as the options leave it
  std::string preset;  // its name; empty for a file
  bool shows_companions = false;
  OptionPairs in_force;  // without the sizes, which the grids know
};

// bad-rule for a table that is none, for both or neither of rules and preset, and for an option whose rule the table
// does not have; bad-mesh for sizes that exclude each other.
Result<RankCutRequest> ParseRequest(const OptionValues& values);

}  // namespace shardfs::rank_cut
