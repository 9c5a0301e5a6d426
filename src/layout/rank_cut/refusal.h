// The refusals of rank cuts: a code that programs can look for, and a sentence. Source: spec/rank-cuts.md, section 4.
#pragma once

#include <string>
#include <string_view>

#include "shardfs/base/status.h"

namespace shardfs::rank_cut {

// "<code>: <message>". kCorruption for the codes that speak of the checkpoint (no-rule, layer-range, expert-range,
// shape, dtype); kInvalidArgument for all others, which speak of the table or the options.
Status Refuse(std::string_view code, std::string_view message);

}  // namespace shardfs::rank_cut
