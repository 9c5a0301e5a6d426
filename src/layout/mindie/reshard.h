// A MindIE directory cut anew: what the layout has to know of a checkpoint that was merged from one.
// Source: spec/mindie-as-source.md, section 4.
#pragma once

#include <string>
#include <vector>

#include "layout/mindie/config/layout_options.h"
#include "layout/mindie/deepseek_weights.h"
#include "layout/mindie/mindie_mapping.h"
#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

// Whether the checkpoint was merged from a directory that has the MTP layer, which is then shown unless it is declined.
bool IsReshardedWithMtp(const Checkpoint& checkpoint);

// Where the view is not what sharding the original would give, one sentence each; none for other checkpoints.
std::vector<std::string> ReshardWarnings(const DeepseekWeights& weights, const MindieMapping& mapping,
                                         MindieFidelity fidelity);

}  // namespace shardfs
