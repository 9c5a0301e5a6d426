// The checks that a destination must pass before anything is written to it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "materialize/memory_limits.h"
#include "shardfs/base/result.h"

namespace shardfs {

struct Destination {
  std::string path;      // absolute, links resolved
  std::string existing;  // `path` if it exists, else its parent: what to ask the filesystem about
  bool exists = false;   // as an empty directory
};

// Where `path` is, or kInvalidArgument for the reasons that MaterializePlan::Create lists.
Result<Destination> CheckDestination(const std::string& path, const std::string& source);

// The room that a set of files and directories takes.
struct RoomNeeded {
  std::span<const std::uint64_t> file_sizes;  // bytes
  std::uint64_t directories = 0;
};

// OK, or kResourceExhausted naming both numbers. `existing` is a directory of the filesystem to write to.
Status CheckRoom(const std::string& existing, const RoomNeeded& needed, const MemoryFiles& memory = {});

}  // namespace shardfs
