// The table of names by engine and release that the program knows: JSON in the form that `shardfs layouts sharded-state
// --json` prints and --names takes (engine_names.h).
#pragma once

#include <string_view>

namespace shardfs {

extern const std::string_view kEngineNamesJson;

}  // namespace shardfs
