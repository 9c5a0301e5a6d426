// ParameterLayout: how a strategy cuts one parameter over the devices of a pipeline stage, as the file states it.
// (spec/mindspore.md, sections 1.1 and 2)
//
// Immutable once it is checked; may be shared among threads.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/status.h"

namespace shardfs {

// What bounds the work of a strategy whatever its numbers are. The largest clusters have a tenth of it.
inline constexpr std::uint64_t kMostDevices = 1u << 20;

struct ParameterLayout {
  std::vector<std::uint32_t> device_matrix;  // sizes of the device dims, outermost first
  // For each axis of the tensor the device dims that split it, the most significant first, counted from the right of
  // device_matrix. -1 stands for no split, alone or at the end of a list.
  std::vector<std::vector<std::int32_t>> tensor_map;
  bool is_nested = false;       // the file has a list for each axis: the layout was written by hand
  std::int32_t shard_step = 0;  // of the optimizer shard: the distance of the ranks that split axis 0 further
  std::int32_t shard_size = 0;  // how many they are; -1: all replicas; 0: no shard

  friend bool operator==(const ParameterLayout&, const ParameterLayout&) = default;
  friend auto operator<=>(const ParameterLayout&, const ParameterLayout&) = default;
};

// The product of device_matrix. The layout must have passed CheckParameterLayout.
std::uint32_t DevicesOf(const ParameterLayout& layout);

// kCorruption for a layout that says nothing sensible whatever the tensor is: no or empty device dims, more than
// kMostDevices devices, map numbers that name no device dim, a device dim that is used twice, -1 before another number.
Status CheckParameterLayout(const ParameterLayout& layout);

// "device matrix [2, 4], tensor map [1, -1], optimizer shard of 2 at step 4", for messages.
std::string DescribeLayout(const ParameterLayout& layout);

}  // namespace shardfs
