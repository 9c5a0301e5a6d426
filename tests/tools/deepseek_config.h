// What a DeepSeek-V3 checkpoint of a given shape and quantisation says of itself: config.json, and msModelSlim's
// description of a quantised one.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/deepseek_shape.h"
#include "tools/family.h"

namespace shardfs::tools {

// The shape as a model of the family deepseek-v3. config.json has the keys of the public checkpoints' in their order;
// those that say how it is quantised are the last, but for FP8's quantization_config, which DeepSeek publishes.
Model DeepSeekModel(const DeepSeekShape& shape, const Quantisation& quantisation = {});

std::string ConfigJson(const DeepSeekShape& shape, const Quantisation& quantisation = {});

// quant_model_description.json of a quantised checkpoint with tensors of these names, in this order.
std::string DescriptionJson(const DeepSeekShape& shape, const Quantisation& quantisation,
                            const std::vector<std::string_view>& names);

}  // namespace shardfs::tools
