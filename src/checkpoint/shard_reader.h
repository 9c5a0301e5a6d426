// The files of a checkpoint opened, and their headers read, in parallel.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/format/safetensors/header.h"
#include "shardfs/source/source_set.h"

namespace shardfs {

// Several times what the largest checkpoints have. Whatever one header may have, many links to one file would otherwise
// take any amount of memory; so all take within 4 times this.
inline constexpr std::uint64_t kMaxAllHeadersBytes = 256'000'000;

struct Shard {
  std::unique_ptr<FileSource> file;
  Header header;
};

// In the order of `names`, which are paths below `root`. When files are damaged the message tells of the first ten
// of them, and the code is that of the first; kNotSupported beyond kMaxAllHeadersBytes. Nothing of a file but its
// header is read.
Result<std::vector<Shard>> ReadShards(const SourceRoot& root, std::span<const std::string> names);

}  // namespace shardfs
