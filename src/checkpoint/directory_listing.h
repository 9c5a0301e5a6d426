// DirectoryListing: the entries of a checkpoint's directory, told apart by name.
#pragma once

#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/checkpoint/safetensors_directory.h"

namespace shardfs {

// Each list ascending by name.
struct DirectoryListing {
  std::vector<std::string> shards;   // *.safetensors, hidden ones excepted
  std::vector<std::string> indices;  // *.safetensors.index.json
  std::vector<DirectoryEntry> others;
};

// The names of all entries but "." and "..", ascending.
Result<std::vector<std::string>> ListNames(int directory_fd);

Result<DirectoryListing> ListDirectory(int directory_fd);

// Whether the name is that of a shard: plain, not hidden, ending in ".safetensors".
bool IsShardName(std::string_view name);

}  // namespace shardfs
