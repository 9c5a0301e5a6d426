#include "view/file_split.h"

#include <fmt/format.h>

namespace shardfs {

std::vector<std::vector<std::size_t>> PackShards(std::span<const std::uint64_t> sizes, std::uint64_t max_shard_bytes) {
  std::vector<std::vector<std::size_t>> shards;
  std::vector<std::size_t> open;
  std::uint64_t open_bytes = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > max_shard_bytes) {
      shards.push_back({i});
      continue;
    }
    if (open_bytes + sizes[i] > max_shard_bytes) {
      shards.push_back(std::move(open));
      open.clear();
      open_bytes = 0;
    }
    open.push_back(i);
    open_bytes += sizes[i];
  }
  if (!open.empty()) shards.push_back(std::move(open));
  return shards;
}

std::string ShardFileName(std::size_t shard, std::size_t shards) {
  if (shards == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards);
}

}  // namespace shardfs
