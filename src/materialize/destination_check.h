// The checks that a destination must pass before anything is written to it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "materialize/destination_lock.h"
#include "materialize/memory_limits.h"
#include "shardfs/base/result.h"

namespace shardfs {

struct Destination {
  std::string path;                       // absolute, links resolved
  std::string existing;                   // `path` if it exists, else its parent: what to ask the filesystem about
  bool exists = false;                    // as a directory that is empty, unfinished or complete
  bool is_unfinished = false;             // it has the journal of a run that did not come to its end
  bool is_complete = false;               // it has the marker of one that did
  std::shared_ptr<DestinationLock> lock;  // of one that exists; shared
};

// Returns where `path` is, with the lock of a directory that is there, taken before anything in it was looked at.
// kInvalidArgument for the reasons that MaterializePlan::Create lists.
Result<Destination> FindDestination(const std::string& path, const std::string& source);

// What is in the directory that FindDestination found: fills is_unfinished and is_complete, or kInvalidArgument.
Status LookInto(Destination& destination);

// Both.
Result<Destination> CheckDestination(const std::string& path, const std::string& source);

// A directory that is there lets this process make files and set its mode, or kInvalidArgument. What CheckDestination
// finds complete it has not asked, because a complete one may be left as it is.
Status CheckMayBeFilled(const std::string& path);

// The name of an entry of the directory that is not called `ignored`, or nothing when it has none or cannot be listed.
std::optional<std::string> AnyEntry(const std::string& directory, std::string_view ignored = {});

// The room that a set of files and directories takes.
struct RoomNeeded {
  std::span<const std::uint64_t> file_sizes;  // bytes
  std::uint64_t directories = 0;
  std::uint64_t reclaimed_bytes = 0;  // of what is there already and will be removed first
};

// OK, or kResourceExhausted naming both numbers. `existing` is a directory of the filesystem to write to.
Status CheckRoom(const std::string& existing, const RoomNeeded& needed, const MemoryFiles& memory = {});

}  // namespace shardfs
