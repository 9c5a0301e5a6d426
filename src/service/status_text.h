// A mount's status for people.
#pragma once

#include <string>

#include "shardfs/base/json.h"

namespace shardfs {

// `status` as .shardfs/status.json has it; what is missing in it (of another version) is left out. Several lines, the
// last with a newline.
std::string FormatStatus(const std::string& mount_point, const JsonValue& status);

}  // namespace shardfs
