// CheckpointIndex: the weight_map of a *.safetensors.index.json: which tensor stands in which file.
//
// Read by SAX: an index is tens of megabytes, and nothing but the map is kept. A name that could lead out of the
// directory is refused here; whether the files exist is the checkpoint's to see.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checked_index.h"

namespace shardfs {

inline constexpr std::uint64_t kMaxIndexBytes = 128'000'000;
// Many times what any checkpoint has: they bound the time that an index can take, and its memory.
inline constexpr std::size_t kMaxIndexEntries = std::size_t{1} << 20;
inline constexpr std::size_t kMaxIndexFiles = std::size_t{1} << 16;

struct CheckpointIndex {
  using Entry = CheckedIndex::Mapping;
  std::vector<std::string> files;  // shard names in the order of first mention
  std::vector<Entry> weight_map;   // ascending by tensor; no tensor twice
};

// `what` names the index in messages. kCorruption for anything that is no well-formed index, kNotSupported beyond a
// limit; keys other than weight_map are passed over.
Result<CheckpointIndex> ParseCheckpointIndex(std::string_view json, std::string_view what);

}  // namespace shardfs
