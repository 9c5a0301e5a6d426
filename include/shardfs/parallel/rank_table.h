// The rank table of an Ascend cluster (RANK_TABLE_FILE): here only the number of servers counts, which bounds tensor
// parallel groups to a node (spec/mindie-weight-sharder.md, section 1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"

namespace shardfs {

// The `server_count` of a rank table's JSON: a positive integer, as a number or a decimal string, that agrees with the
// length of `server_list` where there is one. `what` names the file in messages. kInvalidArgument otherwise.
Result<std::int64_t> ParseRankTableServerCount(std::string_view json, std::string_view what);

// The same for a file's content.
Result<std::int64_t> ReadRankTableServerCount(const std::string& path);

}  // namespace shardfs
