// Reading a small file of a mount that may be dead, or whose daemon hangs.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace shardfs {

struct DeadlineRead {
  enum class Outcome : std::uint8_t { kDone, kFailed, kTimedOut };
  Outcome outcome = Outcome::kFailed;
  int error_number = 0;  // of kFailed
  std::string bytes;     // of kDone
};

// Reads all of `path`. A process of its own does the work: once a request has reached a daemon that does not answer,
// the process that made it cannot even be killed, and nobody must have to wait for that one. It is left behind then,
// killed as soon as the kernel lets go of it.
DeadlineRead ReadWithDeadline(const std::string& path, std::chrono::milliseconds timeout);

}  // namespace shardfs
