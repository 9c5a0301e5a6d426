// What nlohmann's reader has against a document, in a sentence of ours. Its own quotes the offending token whole, which
// may be megabytes of a stranger's text.
#pragma once

#include <cstddef>
#include <exception>
#include <string>

namespace shardfs {

// The text that `parse_error` of a SAX handler reports: "not valid UTF-8 at byte 7". `position` counts from 1.
std::string DescribeJsonError(std::size_t position, const std::exception& error);

}  // namespace shardfs
