// Linears: a weight and its companions, per weight kind (spec/mindie-weight-sharder.md, sections 3.1, 3.2, 3.4, 3.5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evaluator/array.h"
#include "evaluator/setting.h"

namespace shardfs::evaluator {

enum class Kind { kFloat, kW8A8, kW8A8Dynamic, kW8A16, kW4A8Dynamic };

std::string KindName(Kind kind);  // as the description has it

// The kind of the linear `prefix`: float by the dtype of its weight, else what `quantize` says. Throws Refused.
Kind KindOf(const Setting& setting, const std::string& prefix, const std::string& quantize);

enum class Role { kColumn, kRow, kReplicated };

// A source linear [rows, columns], by the config.
struct LinearSource {
  std::string prefix;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
};

// Suffix ("weight", "deq_scale") and tensor, in the order of registration.
using Parts = std::vector<std::pair<std::string, Array>>;

// The slice rule of section 3.2.
Array Shard(const Array& array, std::size_t axis, Split split);

// The dtype rule of section 3.1.
Array CastOnRead(const Setting& setting, const std::string& name, const Array& array);

// A rank's part of one linear, or of several packed into one (gate and up), before a kind's last step.
Parts ShardLinear(const Setting& setting, const std::vector<LinearSource>& sources, Kind kind, Role role, Split split);

// The last step for a linear of its own.
Parts FinishLinear(const Setting& setting, Kind kind, Parts parts);

// The last step for experts, stacked.
Parts FinishExperts(const Setting& setting, Kind kind, Role role, const std::vector<Parts>& experts);

// Does `change` to whatever has an entry for every row of the weight.
template <typename Change>
Parts ChangeRows(Parts parts, Change change) {
  for (auto& [suffix, array] : parts) {
    if (!suffix.starts_with("input_")) array = change(array);
  }
  return parts;
}

}  // namespace shardfs::evaluator
