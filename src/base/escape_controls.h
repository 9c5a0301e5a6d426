// EscapeControls: text that came from a file as it may be shown. It may hold line ends, escape sequences of a terminal,
// or bytes that are no text.
#pragma once

#include <string>
#include <string_view>

namespace shardfs {

// Control characters (below U+0020, U+007F to U+009F) and bytes that are not UTF-8 as \xNN; what `kept` lists stays.
std::string EscapeControls(std::string_view text, std::string_view kept = {});

}  // namespace shardfs
