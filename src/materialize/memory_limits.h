// How much memory this process may still fill: what the machine has, and what its control groups allow.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace shardfs {

struct MemoryLimit {
  std::string name;             // for messages: "MemAvailable of /proc/meminfo"
  std::uint64_t available = 0;  // bytes
};

// Where the kernel says so; tests put directories of their own here.
struct MemoryFiles {
  std::string proc = "/proc";
  std::string cgroup = "/sys/fs/cgroup";
};

// All limits that can be found; control groups of version 2 and 1, with all their ancestors. What cannot be read is
// left out: a limit that nobody states is none. Page cache counts as available, because the kernel drops it on demand.
std::vector<MemoryLimit> ReadMemoryLimits(const MemoryFiles& files = {});

}  // namespace shardfs
