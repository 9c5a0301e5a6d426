// QuoteName: a name from a file as it may stand in a message. Names are data: they may hold line ends, escape
// sequences of a terminal, or kilobytes of anything.
#pragma once

#include <string>
#include <string_view>

namespace shardfs {

// In single quotes, control characters and what is not UTF-8 as \xNN, cut to 200 bytes.
std::string QuoteName(std::string_view name);

}  // namespace shardfs
