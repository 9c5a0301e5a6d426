// The sources that a tree's files take bytes from, found by asking every file for all of its bytes.
#pragma once

#include <vector>

#include "shardfs/source/byte_source.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

// Each once, in no order. For the passthrough files alone, `only_passthrough`: fast where the checkpoint's own sources
// are known already. Throws bad_alloc.
std::vector<const ByteSource*> SourcesOf(const VirtualTree& tree, bool only_passthrough = false);

}  // namespace shardfs
