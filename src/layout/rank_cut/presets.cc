#include "layout/rank_cut/presets.h"

#include <algorithm>

#include "layout/rank_cut/preset_texts.h"

namespace shardfs::rank_cut {

std::span<const LayoutPreset> Presets() {
  static const std::array<LayoutPreset, kPresetNames.size()> all = {{
      {kPresetNames[0], "deepseek-moe-16b; the cut is a reconstruction of the Ascend ModelZoo loader's",
       kDeepseekMoe16b},
      {kPresetNames[1], "DeepSeek-V2, V2-Lite and V2.5", kDeepseekV2},
      {kPresetNames[2], "DeepSeek-V3, V3.1 and R1, with FP8 scales and the MTP layer", kDeepseekV3},
      {kPresetNames[3], "Llama and Mistral", kLlama},
      {kPresetNames[4], "Mixtral", kMixtral},
      {kPresetNames[5], "Qwen2 and Qwen2.5, with a head of their own", kQwen2},
      {kPresetNames[6], "Qwen2 and Qwen2.5 whose lm_head is the embedding", kQwen2Tied},
      {kPresetNames[7], "Qwen3, dense", kQwen3},
      {kPresetNames[8], "Qwen3-MoE", kQwen3Moe},
  }};
  return all;
}

const LayoutPreset* FindPreset(std::string_view name) {
  const auto all = Presets();
  const auto found = std::find_if(all.begin(), all.end(), [&](const LayoutPreset& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace shardfs::rank_cut
