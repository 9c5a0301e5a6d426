// ProduceElements: what the kernels of operations have in common: reads of any byte range in terms of whole elements.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "shardfs/base/status.h"

namespace shardfs {

// Inputs pass through a buffer on the stack: large enough to make up for a plan's lookup and the guard behind a source
// (a system call), small enough for the L1 cache.
inline constexpr std::size_t kStagingBytes = 32 << 10;

inline constexpr std::size_t kMaxElementBytes = 8;

// Calls produce(first element, elements, output) for the elements that overlap `destination`, whole elements only and
// at most `block` at a time; what the range cuts off an element at either end goes by way of a spare one.
template <typename Produce>
Status ProduceElements(std::uint64_t offset, std::span<std::byte> destination, std::uint64_t element_bytes,
                       std::uint64_t block, Produce&& produce) {
  while (!destination.empty()) {
    const std::uint64_t element = offset / element_bytes;
    const std::uint64_t skip = offset % element_bytes;
    std::uint64_t bytes;
    if (skip != 0 || destination.size() < element_bytes) {
      std::array<std::byte, kMaxElementBytes> whole;
      SHARDFS_RETURN_IF_ERROR(produce(element, std::uint64_t{1}, whole.data()));
      bytes = std::min<std::uint64_t>(element_bytes - skip, destination.size());
      std::memcpy(destination.data(), whole.data() + skip, bytes);
    } else {
      const std::uint64_t elements = std::min<std::uint64_t>(destination.size() / element_bytes, block);
      SHARDFS_RETURN_IF_ERROR(produce(element, elements, destination.data()));
      bytes = elements * element_bytes;
    }
    offset += bytes;
    destination = destination.subspan(bytes);
  }
  return Status::Ok();
}

}  // namespace shardfs
