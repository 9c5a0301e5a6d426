// What MindIE refuses of a model's configuration when it loads a directory, whatever its weights are.
// Source: spec/mindie-weight-sharder.md, section 8, the table "Refused, at load"; server_limits.cc has it row by row.
//
// Free functions over immutable inputs; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "console/text.h"
#include "layout/mindie/config/effective_config.h"

namespace shardfs {

// A value that MindIE does not take.
struct RefusedSetting {
  std::string key;      // with its object before it: "quantization_config.group_size"
  std::string file;     // that it stands in, or would: "config.json"
  Text problem;         // "is -1 in config.json, and MindIE takes 0, 64, 128 or 256 (256: only its newest versions)"
  bool decides_shapes = false;  // a size of the weights: weight_sharder ends there, so there is no directory to show
};

// Lists them in the table's order; none when MindIE takes the configuration. null counts as absent, except for the
// sizes that must not be 0.
std::vector<RefusedSetting> FindRefusedSettings(const EffectiveConfig& config);

// "MindIE will refuse this model: \"top_k\" is ..." for each refused setting, and for a generation_config.json that it
// cannot read: what `mount`, `plan` and `doctor` warn of.
std::vector<std::string> RefusalWarnings(const EffectiveConfig& config);
// The same of a checkpoint; none where its configuration cannot be read, which building a view says.
std::vector<std::string> RefusalWarnings(const Checkpoint& checkpoint);

}  // namespace shardfs
