#include "layout/mindspore/parameter_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace shardfs {
namespace {

constexpr std::size_t kMostDims = 64;
constexpr std::size_t kMostAxes = 16;  // of a tensor in a safetensors file

Status CheckDevices(const ParameterLayout& layout) {
  const auto& dims = layout.device_matrix;
  if (dims.empty()) return Status::Corruption("the device matrix is empty");
  if (dims.size() > kMostDims) {
    return Status::Corruption(fmt::format("the device matrix has {} dims, more than {}", dims.size(), kMostDims));
  }
  std::uint64_t devices = 1;
  for (const std::uint32_t dim : dims) {
    if (dim == 0) return Status::Corruption(fmt::format("device matrix [{}] has a dim of 0", fmt::join(dims, ", ")));
    devices *= dim;  // both factors have at most 32 bits
    if (devices > kMostDevices) {
      return Status::Corruption(
          fmt::format("device matrix [{}] is of more than {} devices", fmt::join(dims, ", "), kMostDevices));
    }
  }
  return Status::Ok();
}

}  // namespace

std::uint32_t DevicesOf(const ParameterLayout& layout) {
  std::uint32_t devices = 1;
  for (const std::uint32_t dim : layout.device_matrix) devices *= dim;
  return devices;
}

Status CheckParameterLayout(const ParameterLayout& layout) {
  SHARDFS_RETURN_IF_ERROR(CheckDevices(layout));
  if (layout.tensor_map.size() > kMostAxes) {
    return Status::Corruption(
        fmt::format("the tensor map has {} axes, more than {}", layout.tensor_map.size(), kMostAxes));
  }
  const auto dims = static_cast<std::int64_t>(layout.device_matrix.size());
  std::vector<bool> is_used(layout.device_matrix.size(), false);
  for (const auto& axis : layout.tensor_map) {
    for (const std::int32_t& number : axis) {
      if (number < -1 || number >= dims) {
        return Status::Corruption(
            fmt::format("the tensor map has {}, and the device matrix has {} dims", number, dims));
      }
      if (number == -1) {
        if (&number != &axis.back()) {
          return Status::Corruption(
              fmt::format("the tensor map has -1 before another number: [{}]", fmt::join(axis, ", ")));
        }
        continue;
      }
      const auto place = static_cast<std::size_t>(number);
      if (is_used[place]) return Status::Corruption(fmt::format("the tensor map uses device dim {} twice", number));
      is_used[place] = true;
    }
  }
  return Status::Ok();
}

std::string DescribeLayout(const ParameterLayout& layout) {
  std::string map;
  for (const auto& axis : layout.tensor_map) {
    if (!map.empty()) map += ", ";
    map += layout.is_nested ? fmt::format("[{}]", fmt::join(axis, ", ")) : fmt::format("{}", fmt::join(axis, ", "));
  }
  std::string text = fmt::format("device matrix [{}], tensor map [{}]", fmt::join(layout.device_matrix, ", "), map);
  if (layout.shard_step != 0 && layout.shard_size != 0) {
    text += fmt::format(", optimizer shard of {} at step {}", layout.shard_size, layout.shard_step);
  }
  return text;
}

}  // namespace shardfs
