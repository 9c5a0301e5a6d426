// The files of a checkpoint opened, and their headers read, in parallel.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/safetensors/header.h"
#include "shardfs/source/file_source.h"

namespace shardfs {

struct Shard {
  std::unique_ptr<FileSource> file;
  Header header;
};

// In the order of `names`, which are names in the directory. When files are damaged the message tells of the first ten
// of them, and the code is that of the first. Nothing of a file but its header is read.
Result<std::vector<Shard>> ReadShards(int directory_fd, std::span<const std::string> names);

}  // namespace shardfs
