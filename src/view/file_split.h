// Packing tensors into files of at most a given size, as huggingface_hub's split_torch_state_dict_into_shards does
// (spec/mindie-weight-sharder.md, section 4.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace shardfs {

// Groups indices of `sizes` (bytes, in state-dict order) into shards, in shard order. Greedy: a tensor larger than
// `max_shard_bytes` becomes a shard of its own at once, before the shard that is open; any other closes the open shard
// when it would grow past the limit. No tensors, no shards.
std::vector<std::vector<std::size_t>> PackShards(std::span<const std::uint64_t> sizes, std::uint64_t max_shard_bytes);

// "model.safetensors" for the only shard, else "model-00001-of-00003.safetensors"; `shard` counts from 0.
std::string ShardFileName(std::size_t shard, std::size_t shards);

}  // namespace shardfs
