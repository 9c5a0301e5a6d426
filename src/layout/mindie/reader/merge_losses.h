// What is said of a merge: how its source was cut, and what weight_sharder lost for good, each with what it means.
// Source: spec/mindie-as-source.md, section 2 (the rows that are not exact) and the end of section 5.
#pragma once

#include <string>
#include <vector>

#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/reader/merge_rules.h"

namespace shardfs {

// "as weight_sharder writes it", "as MindIE's loader reads it right"
std::string_view DescribeVariant(MindieFidelity variant);

// "4 ranks (dp 2, tp 2, moe_tp 2, moe_ep 2), as weight_sharder writes it"
std::string DescribeShards(const ShardedSizes& sizes, MindieFidelity variant);

// One sentence or two for each loss that occurs.
std::vector<std::string> MergeLosses(const MergeFindings& findings, const DeepseekConfig& config,
                                     MindieFidelity variant);

}  // namespace shardfs
