// The files around the weights of a DeepSeek-V3 checkpoint: configuration, tokenizer and the like.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/deepseek_shape.h"

namespace shardfs::tools {

struct TextFile {
  std::string name;
  std::string content;
};

// config.json, with the keys of the public checkpoints' in their order; those that say how it is quantised are the
// last.
std::string ConfigJson(const DeepSeekShape& shape, const Quantisation& quantisation = {});

// quant_model_description.json of a quantised checkpoint with tensors of these names, in this order.
std::string DescriptionJson(const DeepSeekShape& shape, const Quantisation& quantisation,
                            const std::vector<std::string_view>& names);

// generation_config.json; top_k is within the vocabulary, which MindIE asks for.
std::string GenerationConfigJson(const DeepSeekShape& shape);

// Everything but config.json, the weights and their index: stand-ins with the names of the public checkpoints' files.
std::vector<TextFile> CompanionFiles(const DeepSeekShape& shape);

// The index of the weight files: `weight_map` is (tensor, file) in the order to be written; `total_size` in bytes.
std::string IndexJson(const std::vector<std::pair<std::string_view, std::string_view>>& weight_map,
                      std::uint64_t total_size);

}  // namespace shardfs::tools
