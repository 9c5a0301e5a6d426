// Natural order of names: "layers.2" before "layers.10". (spec/huggingface-view.md, section 2, step 1)
#pragma once

#include <string_view>

namespace shardfs {

// Whether `a` comes before `b`: compared by parts, runs of digits as numbers, other text by code point. Names that
// differ only in leading zeros are equal.
bool NaturallyBefore(std::string_view a, std::string_view b);

}  // namespace shardfs
