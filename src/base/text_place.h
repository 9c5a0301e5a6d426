// Where a byte of a text stands, as an editor shows it, and what stands there. For messages about text that somebody
// else wrote: short whatever the text is, control characters escaped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace shardfs {

// "line 3, column 5 (byte 47)", each counted from 1; a column is a character. `offset` counts from 0, and may be that
// of the text's end.
std::string DescribePlace(std::string_view text, std::size_t offset);

// "'}' after '\"dp\": 2,'": up to 24 bytes from `offset` to the end of the line, and up to 24 before it, white space and
// line ends between them left out. Only one of the two at either end of the text; empty where there is nothing.
std::string DescribeTextAt(std::string_view text, std::size_t offset);

}  // namespace shardfs
