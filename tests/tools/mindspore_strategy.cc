#include "tools/mindspore_strategy.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <numeric>

namespace shardfs::tools {
namespace {

void AppendVarint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// A negative number is sign-extended to 64 bits: ten bytes.
void AppendNumber(std::string& out, std::uint32_t field, std::int64_t value) {
  AppendVarint(out, field << 3);
  AppendVarint(out, static_cast<std::uint64_t>(value));
}

void AppendBytes(std::string& out, std::uint32_t field, const std::string& bytes) {
  AppendVarint(out, field << 3 | 2);
  AppendVarint(out, bytes.size());
  out += bytes;
}

template <typename Number>
std::string Dims(const std::vector<Number>& dims) {
  std::string out;
  for (const Number dim : dims) AppendNumber(out, 1, static_cast<std::int64_t>(dim));
  return out;
}

std::int32_t FlatOf(const std::vector<std::int32_t>& axis) { return axis.empty() ? -1 : axis.front(); }

std::string LayoutsProtobuf(const MindSporeItem& item) {
  std::string out;
  AppendBytes(out, 1, Dims(item.cut.devices));
  if (item.nested) {
    for (const auto& axis : item.cut.axes) AppendBytes(out, 2, Dims(axis.empty() ? std::vector{-1} : axis));
    if (item.cut.axes.size() == 1) AppendBytes(out, 2, "");  // or it would be a flat map
  } else {
    std::vector<std::int32_t> map;
    for (const auto& axis : item.cut.axes) map.push_back(FlatOf(axis));
    AppendBytes(out, 2, Dims(map));
  }
  AppendBytes(out, 3, "");
  AppendBytes(out, 4, "");
  AppendNumber(out, 5, 0);
  AppendNumber(out, 6, item.cut.shard_step);
  AppendNumber(out, 7, item.cut.shard_size);
  return out;
}

std::string OperatorOf(std::uint32_t stage) { return fmt::format("Default/stage{}/op0", stage); }

template <typename List>
std::string JsonList(const List& list) {
  std::string out;
  for (const auto& item : list) out += (out.empty() ? "" : ", ") + std::to_string(item);
  return "[" + out + "]";
}

}  // namespace

std::string StrategyProtobuf(const MindSporeStrategy& strategy) {
  std::string out;
  AppendNumber(out, 1, strategy.current_stage);
  for (const std::uint32_t stage : strategy.stages) {
    std::string strategies;
    AppendNumber(strategies, 1, stage);
    AppendBytes(strategies, 2, Dims(std::vector<std::uint32_t>{1, 1}));
    std::string item;
    AppendBytes(item, 1, OperatorOf(stage));
    AppendBytes(item, 2, strategies);
    AppendBytes(out, 2, item);
  }
  for (const MindSporeItem& item : strategy.items) {
    std::string layout;
    AppendBytes(layout, 1, item.name);
    AppendBytes(layout, 2, LayoutsProtobuf(item));
    AppendBytes(out, 3, layout);
  }
  return out;
}

std::string StrategyJson(const MindSporeStrategy& strategy) {
  std::string operators;
  for (const std::uint32_t stage : strategy.stages) {
    operators += fmt::format(R"({}"{}": {{"stage": {}, "parallel_strategy": [[1, 1]]}})", operators.empty() ? "" : ", ",
                             OperatorOf(stage), stage);
  }
  std::string layouts;
  for (const MindSporeItem& item : strategy.items) {
    std::vector<std::int32_t> map;
    for (const auto& axis : item.cut.axes) map.push_back(FlatOf(axis));
    layouts += fmt::format(
        R"({}"{}": {{"dev_matrix": {}, "tensor_map": {}, "tensor_shape": {}, "field": 0, "opt_weight_shard_step": {}, )"
        R"("opt_weight_shard_size": {}, "param_split_shape": [], "indices_offset": []}})",
        layouts.empty() ? "" : ", ", item.name, JsonList(item.cut.devices), JsonList(map), JsonList(item.shape),
        item.cut.shard_step, item.cut.shard_size);
  }
  return fmt::format(R"({{"current_stage": {}, "parallel_strategy_item": {{{}}}, "parallel_layout_item": {{{}}}}})",
                     strategy.current_stage, operators, layouts);
}

Result<MindSporeBox> BoxOf(const MindSporeCutOf& cut, const Shape& shape, std::uint64_t local) {
  const std::size_t dims = cut.devices.size();
  std::vector<std::uint64_t> coordinates(dims);
  for (std::size_t d = dims; d-- > 0; local /= cut.devices[d]) coordinates[d] = local % cut.devices[d];
  std::vector<bool> used(dims);
  MindSporeBox box;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    std::uint64_t count = 1;
    std::uint64_t index = 0;
    for (const std::int32_t t : cut.axes[a]) {
      const std::size_t d = dims - 1 - static_cast<std::size_t>(t);
      used[d] = true;
      count *= cut.devices[d];
      index = index * cut.devices[d] + coordinates[d];
    }
    if (shape[a] % count != 0) {
      return Status::InvalidArgument(fmt::format("axis {} of {} is cut in {}", a, ShapeToString(shape), count));
    }
    box.emplace_back(index * (shape[a] / count), (index + 1) * (shape[a] / count));
  }
  if (cut.shard_step == 0 || cut.shard_size == 0) return box;
  std::uint64_t replicas = 1;
  std::uint64_t position = 0;
  for (std::size_t d = 0; d < dims; ++d) {
    if (used[d]) continue;
    replicas *= cut.devices[d];
    position = position * cut.devices[d] + coordinates[d];
  }
  const std::uint64_t parts = cut.shard_size < 0 ? replicas : static_cast<std::uint64_t>(cut.shard_size);
  const std::uint64_t rows = box.at(0).second - box[0].first;
  if (rows % parts != 0) {
    return Status::InvalidArgument(fmt::format("{} rows of {} are cut in {}", rows, ShapeToString(shape), parts));
  }
  const std::uint64_t begin = box[0].first + position % parts * (rows / parts);
  box[0] = {begin, begin + rows / parts};
  return box;
}

}  // namespace shardfs::tools
