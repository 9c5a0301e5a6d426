// The tensors of all files of a checkpoint as one list.
#pragma once

#include <span>
#include <vector>

#include "shardfs/base/result.h"
#include "checkpoint/tensor_info.h"
#include "checkpoint/checkpoint_index.h"
#include "checkpoint/shard_reader.h"

namespace shardfs {

// An index as it was read, before it is held against the headers.
struct NamedIndex {
  std::string name;
  CheckpointIndex index;
};

// The tensors of all shards, ascending by name; takes them out of the shards. kCorruption where a tensor stands in two
// files: it names the files, and which of them no index names.
Result<std::vector<TensorInfo>> MergeTensors(std::vector<Shard>& shards, std::span<const NamedIndex> indices);

}  // namespace shardfs
