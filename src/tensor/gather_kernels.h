// The gathers of a pattern's bytes where the input is memory.
//
// Thread-safety: pure functions; allocate nothing, take no lock, and hold no object with a destructor, so that a fault
// guard may cut them short.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/plan_segments.h"

namespace shardfs {

// As CopyRuns, by the fastest kernel for the pattern: `count` output bytes from `offset`; the pattern's offsets count
// from `input`. The ranges must not overlap.
void GatherBytes(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
                 std::byte* output);

}  // namespace shardfs
