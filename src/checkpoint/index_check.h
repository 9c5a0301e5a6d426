// CheckIndex: an index held against the headers of the directory's files.
#pragma once

#include <span>
#include <string>

#include "shardfs/checkpoint/checked_index.h"
#include "checkpoint/tensor_info.h"
#include "checkpoint/checkpoint_index.h"

namespace shardfs {

// `tensors`: those of all files, ascending by name, by whose places CheckedIndex::order goes; `shards`: the files' names,
// ascending. One pass over both the map and the tensors; what is kept of the map is what no header has.
CheckedIndex CheckIndex(std::string name, CheckpointIndex index, std::span<const TensorInfo> tensors,
                        std::span<const std::string> shards);

}  // namespace shardfs
