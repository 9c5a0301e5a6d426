// Presets of the families other than DeepSeek-V3, whose presets are DeepSeekShapes (deepseek_shape.h): small ones of
// about a megabyte, and published checkpoints at their true sizes.
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
  std::uint64_t files = 1;           // that the checkpoint comes in
  std::vector<ConfigEntry> changes;  // to the family's config.json
};

const std::vector<ModelPreset>& ModelPresets();
const ModelPreset* FindModelPreset(std::string_view name);  // nullptr when there is none

Model ModelOf(const ModelPreset& preset);

}  // namespace shardfs::tools
