// The tables that the program has built in: presets/*.json, as they are.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "shardfs/layout/layout.h"

namespace shardfs::rank_cut {

inline constexpr std::array<std::string_view, 9> kPresetNames = {
    "deepseek-moe-16b", "deepseek-v2", "deepseek-v3", "llama", "mixtral", "qwen2", "qwen2-tied", "qwen3", "qwen3-moe"};

// One for each name, in that order.
std::span<const LayoutPreset> Presets();

const LayoutPreset* FindPreset(std::string_view name);  // nullptr where there is none

}  // namespace shardfs::rank_cut
