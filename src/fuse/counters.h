// What a mount has done so far. Relaxed atomics: each number is exact, a set of them is no snapshot of one instant.
#pragma once

#include <atomic>
#include <cstdint>

namespace shardfs {

struct FuseCounters {
  std::atomic<std::uint64_t> reads{0};        // READ requests, failed ones included
  std::atomic<std::uint64_t> read_bytes{0};   // bytes handed to the kernel
  std::atomic<std::uint64_t> read_errors{0};  // READ requests that failed
};

}  // namespace shardfs
