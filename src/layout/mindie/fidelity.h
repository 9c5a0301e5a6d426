// Which variant of the directory to show: weight_sharder's own bytes, or those that its loader reads right.
// Source: spec/mindie-loader-variant.md, sections 1 and 2; spec/mindie-weight-sharder.md, sections 2 and 7.
#pragma once

#include <string>

#include "layout/mindie/config/effective_config.h"
#include "layout/mindie/state_dict.h"
#include "shardfs/base/result.h"

namespace shardfs {

// The variant that was asked for, or weight_sharder's where the two load alike. kInvalidArgument, in two lines, where
// they do not and neither was asked for; kNotSupported for what weight_sharder loses data on (kSharder) and for what no
// directory can make the loader read right (kLoader).
// `effective` is what `config` was parsed from.
Result<MindieFidelity> ChooseFidelity(const EffectiveConfig& effective, const DeepseekConfig& config,
                                      const DeepseekWeights& weights, const MindieMapping& mapping,
                                      const MindieOptions& options);

// Why MindIE's loader does not find the description that weight_sharder writes; empty when it does, and for a model
// that is not quantised.
std::string WhyDescriptionIsLost(const EffectiveConfig& effective);

}  // namespace shardfs
