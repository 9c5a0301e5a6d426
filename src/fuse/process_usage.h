// ProcessUsage: what the daemon itself takes of the machine, as Prometheus' clients say it of their process.
#pragma once

#include <cstdint>

namespace shardfs {

struct ProcessUsage {
  double cpu_seconds = 0;            // user and system, of all threads
  std::uint64_t resident_bytes = 0;  // pages of mapped source files included
  std::uint64_t open_descriptors = 0;
  std::uint64_t most_descriptors = 0;  // the soft limit
};

// What cannot be read (no /proc) is 0.
ProcessUsage UsageOfThisProcess();

}  // namespace shardfs
