// The texts of presets/*.json; preset_texts.cc is made of them by CMake.
#pragma once

#include <string_view>

namespace shardfs::rank_cut {

extern const std::string_view kDeepseekMoe16b;
extern const std::string_view kDeepseekV2;
extern const std::string_view kDeepseekV3;
extern const std::string_view kLlama;
extern const std::string_view kMixtral;
extern const std::string_view kQwen2;
extern const std::string_view kQwen2Tied;
extern const std::string_view kQwen3;
extern const std::string_view kQwen3Moe;

}  // namespace shardfs::rank_cut
