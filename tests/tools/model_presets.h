// Presets of all families but DeepSeek-V3, whose presets (deepseek_shape.h) also say how the weights are quantised:
// small ones of about a megabyte, and published checkpoints at their true sizes.
//
// Thread-safety: constants and pure functions.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tools/family.h"

namespace shardfs::tools {

struct ModelPreset {
  std::string_view name;
  std::string_view family;
  std::uint64_t files = 1;           // weight files of the checkpoint
  std::vector<ConfigEntry> changes;  // to the family's config.json
};

const std::vector<ModelPreset>& ModelPresets();
const ModelPreset* FindModelPreset(std::string_view name);  // nullptr when there is none

Model ModelOf(const ModelPreset& preset);

}  // namespace shardfs::tools
