#include "layout/mindspore/unified_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "shardfs/base/json.h"

namespace shardfs {

std::vector<std::vector<std::size_t>> PackUnifiedParts(std::span<const std::uint64_t> sizes, std::uint64_t limit) {
  const std::uint64_t sum = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
  const std::uint64_t wanted = sum / limit + (sum % limit != 0 ? 1 : 0);
  std::vector<std::vector<std::size_t>> parts(std::clamp<std::uint64_t>(wanted, 1, sizes.size()));
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  using Filled = std::pair<std::uint64_t, std::size_t>;  // bytes, part: of equal sums the lowest part comes first
  std::priority_queue<Filled, std::vector<Filled>, std::greater<>> smallest;
  for (std::size_t part = 0; part < parts.size(); ++part) smallest.emplace(0, part);
  for (const std::size_t i : order) {
    const auto [bytes, part] = smallest.top();
    smallest.pop();
    parts[part].push_back(i);
    smallest.emplace(bytes + sizes[i], part);
  }
  return parts;
}

std::pair<std::uint64_t, std::uint64_t> PartsOfTask(std::uint64_t parts, const PartTask& task) {
  const std::uint64_t each = parts / task.tasks;
  const std::uint64_t rest = parts % task.tasks;
  const std::uint64_t begin = each * (task.task - 1) + std::min(task.task - 1, rest);
  return {begin, begin + each + (task.task <= rest ? 1 : 0)};
}

Result<PartTask> ParsePartTask(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto number = [](std::string_view digits) { return ParseNumber<std::uint32_t>(digits).value_or(0); };
  PartTask task;
  if (slash != std::string_view::npos) {
    task = {number(text.substr(0, slash)), number(text.substr(slash + 1))};
  }
  if (slash == std::string_view::npos || task.task == 0 || task.task > task.tasks) {
    return Status::InvalidArgument(fmt::format(
        "split_dst_file is {}; give the number of this task and of all of them, as in 1/4", QuoteName(text)));
  }
  return task;
}

std::string UnifiedPartName(std::size_t part) { return fmt::format("part{}.safetensors", part); }

std::string ParamNameMapJson(std::uint64_t total_size,
                             const std::vector<std::pair<std::string, std::string>>& weight_map) {
  std::vector<JsonMember> members;
  members.reserve(weight_map.size());
  for (const auto& [name, file] : weight_map) members.emplace_back(name, JsonValue::String(file));
  return DumpPythonJson(JsonValue::Object(
      {{"metadata", JsonValue::Object({{"total_size", JsonValue::Number(std::to_string(total_size))}})},
       {"weight_map", JsonValue::Object(std::move(members))}}));
}

}  // namespace shardfs
