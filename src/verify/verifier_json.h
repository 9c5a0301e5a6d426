// JSON documents compared without regard to order.
#pragma once

#include <optional>
#include <string>

#include "shardfs/base/json.h"

namespace shardfs {

struct JsonDifference {
  std::string place;     // "model_sharded.model-norm[]"; empty for the whole document
  std::string expected;  // compact JSON, cut where it is long; "nothing"
  std::string actual;
};

// The first difference in `expected`'s order; nothing when both are equal but for the order of the members of objects
// and of the items of arrays. Numbers are equal when they are written alike.
std::optional<JsonDifference> FindJsonDifference(const JsonValue& expected, const JsonValue& actual);

}  // namespace shardfs
