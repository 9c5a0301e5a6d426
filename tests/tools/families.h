// The families that the generator knows. To add one, write its table of tensors in families.cc, its config.json in
// family_configs.cc, and its presets in model_presets.cc.
//
// Thread-safety: constants.
#pragma once

#include <string_view>
#include <vector>

#include "tools/family.h"

namespace shardfs::tools {

// llama, qwen2, qwen3, qwen3-moe, mixtral, deepseek (of DeepSeek-MoE-16B), deepseek-v2 and deepseek-v3.
const std::vector<Family>& Families();
const Family* FindFamily(std::string_view name);  // nullptr when there is none

}  // namespace shardfs::tools
