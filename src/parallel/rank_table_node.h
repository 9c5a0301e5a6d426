// Which server of an Ascend cluster's rank table this machine is.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"

namespace shardfs {

// The names that a rank table may have for this machine: its host name and the addresses of its interfaces, in text,
// without those of the loopback.
std::set<std::string> NamesOfThisMachine();

// The number of the one server in `server_list` whose server_id, container_ip, host_ip or server_name is among `names`:
// as its devices' rank_id says (equal, consecutive shares), or its place in the list where devices have none. `what`
// names the file in messages. kInvalidArgument when no server or several have such a name, or ranks are no such shares.
Result<std::uint32_t> ParseRankTableNode(std::string_view json, std::string_view what,
                                         const std::set<std::string>& names);

// The same for a file's content and this machine.
Result<std::uint32_t> ReadRankTableNode(const std::string& path);

}  // namespace shardfs
