// Bringing files of a mounted view into the page cache, so that an engine that starts finds them in memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "materialize/memory_limits.h"
#include "shardfs/base/result.h"
#include "shardfs/materialize/materialize_plan.h"

namespace shardfs {

struct WarmProgress {
  std::atomic<std::uint64_t> bytes_done{0};  // read, or found in memory
  std::atomic<std::uint64_t> files_done{0};
  std::atomic<std::uint32_t> current_file{UINT32_MAX};
};

struct WarmReport {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;                     // of all files
  std::optional<std::uint64_t> cached_before;  // of these; nothing where the kernel does not tell
  std::uint64_t read = 0;                      // bytes that were read
  std::optional<std::uint64_t> cached_after;
  std::uint64_t memory = 0;    // bytes that could be filled when it began
  std::string memory_limit;    // what said so; empty where nothing did
  std::uint64_t left_out = 0;  // bytes that were not read, because memory would not have held them
  double seconds = 0;

  // Returns whether all of it is in memory now, as far as that can be known.
  bool complete() const { return left_out == 0 && cached_after.value_or(bytes) >= bytes; }
};

// Reads `files`, which are of the view on `mount_point`, in the order of their bytes in the source: each source byte
// comes from its device once. What is in memory is not read again, and what memory cannot hold is not read at all, as
// it would drive out what was. `threads` 0: one per CPU. The error of the first read that fails; kCancelled.
// `memory`: where the kernel says how much there is.
Result<WarmReport> WarmView(const std::string& mount_point, std::span<const PlannedFile> files, unsigned threads,
                            WarmProgress& progress, const std::stop_token& cancel, const MemoryFiles& memory = {});

}  // namespace shardfs
