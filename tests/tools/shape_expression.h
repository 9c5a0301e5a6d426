// Shape expressions: the arithmetic in which a family's table gives sizes and conditions.
//
//   expression = term { "+" term }
//   term       = factor { ("*" | "/") factor }      from left to right; a division must leave no remainder
//   factor     = a number | a key of config.json | a variable ("layer")
//   condition  = comparison { "and" comparison }
//   comparison = expression ("<" | ">=") expression
//
// Spaces mean nothing. Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "shardfs/base/result.h"
#include "tools/model_config.h"

namespace shardfs::tools {

// What the names in an expression stand for.
struct Names {
  const ModelConfig& config;
  std::optional<std::uint64_t> layer = std::nullopt;  // the value of the variable `layer`, where there is one
};

// kInvalidArgument for an unknown name, a division that is not exact, a result beyond 64 bits, and bad syntax.
Result<std::uint64_t> Evaluate(std::string_view expression, const Names& names);

// An empty condition holds. What follows a comparison that does not hold is not evaluated.
Result<bool> Holds(std::string_view condition, const Names& names);

}  // namespace shardfs::tools
