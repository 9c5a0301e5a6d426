// Files that a command writes beside its work: a log, a page.
#pragma once

#include <string>
#include <string_view>

#include "shardfs/base/status.h"

namespace shardfs {

// Refuses (kInvalidArgument) a `path` that leads, over links too, into the directory `source` or to a file that lies or
// is linked there: writing it would destroy the checkpoint. `what` begins the message: "the log file".
Status CheckOutsideSource(std::string_view what, const std::string& path, const std::string& source);

}  // namespace shardfs
