// The keys of each family's config.json, in the order and with the values of its best-known published checkpoint:
// Llama-3-8B, Qwen2-7B, Qwen3-8B, Qwen3-30B-A3B, Mixtral-8x7B-v0.1, deepseek-moe-16b-base, DeepSeek-V2 and DeepSeek-V3.
//
// Thread-safety: constants.
#pragma once

#include <span>

#include "tools/model_config.h"

namespace shardfs::tools {

std::span<const ConfigEntry> LlamaConfig();
std::span<const ConfigEntry> Qwen2Config();
std::span<const ConfigEntry> Qwen3Config();
std::span<const ConfigEntry> Qwen3MoeConfig();
std::span<const ConfigEntry> MixtralConfig();
std::span<const ConfigEntry> DeepSeekMoeConfig();
std::span<const ConfigEntry> DeepSeekV2Config();
std::span<const ConfigEntry> DeepSeekV3Config();

}  // namespace shardfs::tools
