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

// The shape as a model of the family deepseek-v3. Its config.json ends with the keys by which msModelSlim says how the
// weights are quantised; quantization_config of FP8 blocks stands where DeepSeek's own config.json has it.
Model DeepSeekModel(const DeepSeekShape& shape, const Quantisation& quantisation = {});

// quant_model_description.json of a quantised checkpoint with tensors of these names, in this order.
std::string DescriptionJson(const DeepSeekShape& shape, const Quantisation& quantisation,
                            const std::vector<std::string_view>& names);

}  // namespace shardfs::tools
