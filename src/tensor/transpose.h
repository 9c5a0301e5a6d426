// Transposes of elements of 1, 2, 4 and 8 bytes, in tiles of 16-byte vectors (SSE2 on x86-64, NEON on AArch64, chosen
// by the compiler).
//
// Thread-safety: pure functions; allocate nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/plan_segments.h"

namespace shardfs {

// output[r * columns + c] = input[c][r] for r < rows, c < columns, where input[c] begins `column_stride` bytes behind
// input[c - 1]. `element` is 1, 2, 4 or 8 (bytes). No pointer need be aligned; the ranges must not overlap.
void TransposeTile(const std::byte* input, std::uint64_t column_stride, std::byte* output, std::uint64_t rows,
                   std::uint64_t columns, std::uint64_t element);

// The same an element at a time: what the tiles are tested against, and how their edges are done.
void TransposeScalar(const std::byte* input, std::uint64_t column_stride, std::byte* output, std::uint64_t rows,
                     std::uint64_t columns, std::uint64_t output_columns, std::uint64_t element);

// Whether the last two dims of a pattern are a transpose: single elements, of which the next-to-last dim's follow each
// other in the input.
bool IsTranspose(const GatherPattern& pattern);

// As the walk of ForEachRun, for a pattern that is a transpose: `count` output bytes from `offset`.
void GatherTransposed(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
                      std::byte* output);

}  // namespace shardfs
