// Text as PythonRegex sees it.
#pragma once

#include <string>
#include <string_view>

namespace shardfs {

// The code points of UTF-8. A byte that is not UTF-8 is a code point that no pattern names, as Python's
// surrogateescape has it.
std::u32string DecodePythonText(std::string_view text);

// Whether \w matches the code point: of ASCII alone.
bool IsPythonWord(char32_t c);

}  // namespace shardfs
