// Waits for what another process or thread does. A test waits for a condition and never for a time: how long a step
// takes is a matter of the machine and of what else runs on it.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace shardfs {

// Catches a step that hangs, and nothing else: more than ten times what any step of the tests takes on a busy machine.
inline constexpr std::chrono::seconds kHang{120};

// Whether `condition` came to hold. It is asked every few milliseconds, and must not wait itself.
inline bool WaitUntil(const std::function<bool()>& condition, std::chrono::milliseconds time = kHang) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace shardfs
