// DescribeRanks says what MindIE's cut gives each rank, for `plan`.
#pragma once

#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/mindie_mapping.h"
#include "shardfs/view/view.h"

namespace shardfs {

// Fills the ranks, expert_groups and layers of a view whose tree is complete.
void DescribeRanks(const DeepseekConfig& config, const MindieMapping& mapping, View* view);

}  // namespace shardfs
