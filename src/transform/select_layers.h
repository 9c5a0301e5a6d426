// The layers that `select` keeps, and what config.json says of a model of these layers.
// Source: spec/huggingface-view.md, section 3, step 3.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "shardfs/base/json.h"
#include "shardfs/base/result.h"

namespace shardfs {

// "0-3,8": inclusive ranges and numbers. kInvalidArgument names the item that is neither.
Result<std::set<std::uint64_t>> ParseLayers(std::string_view text);

// config.json of the model whose layers are `kept`, renumbered 0, 1, ... in ascending order, as the transform writes
// it. kInvalidArgument where the config depends on a layer's number in a way that renumbering would change.
Result<std::string> RenumberConfig(const JsonValue& config, const std::set<std::uint64_t>& kept);

}  // namespace shardfs
