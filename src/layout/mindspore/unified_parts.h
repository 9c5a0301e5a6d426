// The files of a unified checkpoint: which parameters go into which part, which parts a task of several writes, and the
// map that names them. (spec/mindspore.md, sections 5.3 to 5.8)
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

// MindSpore counts 4 bytes for an element whatever its dtype is, for parts and for total_size alike.
inline constexpr std::uint64_t kUnifiedElementBytes = 4;
inline constexpr std::uint64_t kUnifiedPartBytes = std::uint64_t{3} << 30;  // of a part, on average

// For each part the indices of its parameters, in the order of placement: by size descending, equal ones as they come,
// each into the part with the smallest sum so far. There are ceil(sum / limit) parts, at most as many as parameters,
// and one at least. `sizes` is not empty, and their sum and `limit` are checked by the caller not to overflow.
std::vector<std::vector<std::size_t>> PackUnifiedParts(std::span<const std::uint64_t> sizes, std::uint64_t limit);

// Task `task` of `tasks`, counted from 1: the parts [first, second) of `parts`. The first tasks have one more where
// they do not divide.
struct PartTask {
  std::uint64_t task = 1;
  std::uint64_t tasks = 1;
};
std::pair<std::uint64_t, std::uint64_t> PartsOfTask(std::uint64_t parts, const PartTask& task);

// "2/4". kInvalidArgument names what is wrong.
Result<PartTask> ParsePartTask(std::string_view text);

std::string UnifiedPartName(std::size_t part);  // "part0.safetensors"

// param_name_map.json: `weight_map` is (parameter, file), in the order to be written.
std::string ParamNameMapJson(std::uint64_t total_size,
                             const std::vector<std::pair<std::string, std::string>>& weight_map);

}  // namespace shardfs
