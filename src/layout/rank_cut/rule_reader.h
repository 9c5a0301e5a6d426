// The readers of a rule, and of the parts that rules share with the rest of the table.
#pragma once

#include "layout/rank_cut/rule_table.h"
#include "layout/rank_cut/table_object.h"

namespace shardfs::rank_cut {

Result<Rule> ReadRule(const JsonValue& value);

// Reads the key "stage"; kOfLayer where it is not given.
Result<StageRule> ReadStage(const TableObject& object);

// Reads the key "uneven".
Result<Uneven> ReadUneven(const TableObject& object);

}  // namespace shardfs::rank_cut
