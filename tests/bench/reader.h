// Reading files as a user of the mount does, in processes of their own: bench_reader.
//
// Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs::bench {

enum class ReadMode : std::uint8_t {
  kBuffered,  // read() of 1 MiB
  kMapped,    // mmap, copied out by 1 MiB
  kDirect,    // read() of 4 MiB with O_DIRECT
  kHeaders,   // the safetensors header of each file and no more
};

struct ReadResult {
  double seconds = 0;  // from the first process's first open until the last one's last byte
  std::uint64_t bytes = 0;
};

// Starts a process for each list of files, lets them begin together, and waits for all.
Result<ReadResult> ReadFiles(const std::string& reader_program, ReadMode mode,
                             const std::vector<std::vector<std::string>>& lists);

}  // namespace shardfs::bench
