// Says whether a checkpoint's files have their own headers still: what an index says of them holds as it is stored.
#pragma once

#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

// Returns whether every transform that was applied changes nothing but bytes of tensors.
bool KeepsHeaders(const Checkpoint& checkpoint);

}  // namespace shardfs
