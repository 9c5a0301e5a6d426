// The geometry of MindIE's tensors: how one tensor of the source becomes one rank's part.
// Source: spec/mindie-weight-sharder.md, sections 3.2 (slices), 3.3 (embedding, router) and 3.4 (linears).
//
// Free functions over immutable expressions; thread-safe. Shapes are checked by the expressions themselves.
#pragma once

#include <cstdint>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {

// A group of `size` ranks that splits a tensor, and this rank's place in it.
struct SplitGroup {
  std::uint64_t size = 1;
  std::uint64_t rank = 0;
};

// Section 3.2: even slices where the axis divides; single elements, each for several ranks, where it is shorter than
// the group; else slices of ceil(n / size), the last ones padded with zeros.
Result<TensorPtr> Shard(TensorPtr tensor, std::uint64_t axis, const SplitGroup& group);

// De-interleaves rope rows: axis 0 is blocks of `block` rows, of whose last `rope` rows those with an even index come
// first, then the odd ones (section 3.4, "Rope permutation").
Result<TensorPtr> PermuteRopeRows(TensorPtr tensor, std::uint64_t block, std::uint64_t rope);

// Rows first, first+1, .., last, 0, .., first-1.
Result<TensorPtr> RotateRows(TensorPtr tensor, std::uint64_t first);

// The two parts of a kv_b_proj slice of `heads` heads of nope + v rows: [heads, nope, kr], and [heads, kr, v], which is
// transposed.
Result<TensorPtr> KeyPartOfKvB(TensorPtr tensor, std::uint64_t heads, std::uint64_t nope, std::uint64_t v);
Result<TensorPtr> ValuePartOfKvB(TensorPtr tensor, std::uint64_t heads, std::uint64_t nope, std::uint64_t v);

}  // namespace shardfs
