#pragma once

#include <cstddef>

#include "shardfs/base/status.h"

namespace shardfs {

// Raises the process's soft limit on open files, as far as its hard limit allows, so that `files` more can be open at
// once, with room for what the rest of the program opens. kResourceExhausted, with both numbers, when the hard limit
// cannot hold the files themselves.
Status ReserveDescriptors(std::size_t files);

}  // namespace shardfs
