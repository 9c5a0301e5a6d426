// Writing a directory into a fresh tmpfs, timed.
//
// Thread-safety: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/mounts.h"
#include "bench/workplace.h"

namespace shardfs::bench {

// Mounts a tmpfs, touches `fresh_bytes` of memory, runs the command that `arguments` gives for the directory to
// write, and checks that the tmpfs then holds `bytes` or more. Returns GB/s.
Result<double> TimeIntoTmpfs(const Workplace& workplace, TmpfsPages pages, std::uint64_t bytes,
                             std::uint64_t fresh_bytes,
                             const std::function<std::vector<std::string>(const std::string& destination)>& arguments);

inline double GigabytesPerSecond(std::uint64_t bytes, double seconds) {
  return static_cast<double>(bytes) / seconds / 1e9;
}

}  // namespace shardfs::bench
