// The number of the calling thread, by which threads take shares of what they would otherwise all write.
#pragma once

#include <atomic>
#include <cstddef>

namespace shardfs {

// Returns 0 for the first thread of the process that asks, 1 for the next; a thread's number stays.
inline std::size_t ThreadNumber() {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t number = next.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace shardfs
