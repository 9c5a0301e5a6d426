// Telling a full checkpoint from a sharded directory by the names in it, for messages to users who gave one for the
// other.
#pragma once

#include <string>

#include "shardfs/base/status.h"

namespace shardfs {

// kInvalidArgument where the DIR of `verify` is a full checkpoint that no view made: weights right in it, and neither
// model_sharded_metadata.json nor materialize's manifest.
Status CheckNoFullCheckpoint(const std::string& directory);

}  // namespace shardfs
