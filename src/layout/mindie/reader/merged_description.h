// quant_model_description*.json of a merged checkpoint. Source: spec/mindie-as-source.md, section 3.
#pragma once

#include <string>

#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/quant_description.h"
#include "layout/mindie/reader/merge_rules.h"

namespace shardfs {

// The text that stands in the place of `description`, which is the directory's own.
std::string MergedDescriptionJson(const MergedTensors& tensors, const DeepseekConfig& config,
                                  const QuantDescription& description);

}  // namespace shardfs
