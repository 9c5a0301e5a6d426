// W4A8_DYNAMIC, per channel and per group: routed experts only (spec/mindie-weight-sharder.md, section 3.5).
#pragma once

#include "evaluator/linear.h"

namespace shardfs::evaluator {

// weight (two int4 along the rows in a byte), weight_scale, weight_scale_second (per group only), scale_bias.
Parts ShardW4A8(const Setting& setting, const LinearSource& linear, Role role, Split split);

// weight, weight_scale and bias of one expert.
Parts FinishW4A8Expert(const Setting& setting, const Parts& parts);

}  // namespace shardfs::evaluator
