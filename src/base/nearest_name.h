// What a mistyped name was probably meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace shardfs {

// "; did you mean --moe-tp?" for the one of `names` that `word` is a slip of (letters left out, put in, changed or
// swapped; '_' for '-'; another case; the end of a longer name, as --ep of --moe-ep), or "" when there is none, or when
// several are as near. A message ends with it. Thread-safe.
std::string DidYouMean(std::string_view word, std::span<const std::string> names);

}  // namespace shardfs
