// How the parts that ranks hold become one tensor again: the inverse of tensor_rules.h.
// Source: spec/mindie-as-source.md, section 2.
//
// Free functions over immutable expressions; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {

// The size of each of `ranks` parts of an axis of `size` elements.
std::uint64_t SliceSize(std::uint64_t size, std::uint64_t ranks);

// One of how many ranks holds a part that no other holds: more than 1 where the axis is shorter than the group.
std::uint64_t RanksPerPart(std::uint64_t size, std::uint64_t ranks);

// Parts one behind the other, and what padded the last ones cut off: `size` elements of `axis`. Each part has
// SliceSize, and stands for RanksPerPart ranks.
Result<TensorPtr> JoinParts(std::vector<TensorPtr> parts, std::uint64_t axis, std::uint64_t size);

// Interleaves rope rows again: the inverse of PermuteRopeRows.
Result<TensorPtr> RestoreRopeRows(TensorPtr tensor, std::uint64_t block, std::uint64_t rope);

// kv_b_proj of the heads of one rank, [heads, nope + v, kr], from k_b_proj and v_b_proj.
Result<TensorPtr> JoinKeyAndValue(TensorPtr key, TensorPtr value);

}  // namespace shardfs
