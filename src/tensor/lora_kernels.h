// The arithmetic of a LoRA merge, W + s * (B @ A), defined to the bit.
//
//   p = start;  for k = 0 .. r-1:  p = fmaf(B[i,k], A[k,j], p)      one rounding a step, ascending k, one chain
//   d = p * s                                                       rounded to F32
//   result = W[i,j] + d                                             rounded to F32, then once to W's dtype
//
// That is the order of BLAS kernels with FMA, so it is what torch gives on a CPU. The chain is cut nowhere, no other
// product and sum are fused, and every kernel gives the same bits: an element depends on row i of B and column j of A
// alone, however the work is divided. Subnormals are kept; every NaN result is 0x7FC00000. (spec/lora.md, section 1)
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace shardfs {

// A kernel works on a tile of this many columns of A, stored k after k, and on up to so many rows of B.
inline constexpr std::size_t kLoraTileColumns = 64;
inline constexpr std::size_t kLoraTileRows = 4;

// One factor's rows: element [y, k] is at[y * stride + k].
struct LoraRows {
  const float* at = nullptr;
  std::size_t stride = 0;
  std::size_t count = 0;  // 1 to kLoraTileRows
};

// Continues the chains of sums[y * sum_stride + x], for each row y and x < kLoraTileColumns, by `rank` steps; step k
// multiplies row element [y, k] and columns[k * kLoraTileColumns + x]. `columns` and `sums` must not overlap.
using LoraSumKernel = void (*)(const LoraRows& rows, const float* columns, std::size_t rank, float* sums,
                               std::size_t sum_stride);

// The fastest kernel that this processor has: AVX-512, AVX2 with FMA, NEON, or the C library's fmaf.
LoraSumKernel FindLoraSumKernel();

// All kernels that this processor has, the slowest first; for tests and measurements.
struct NamedLoraSumKernel {
  std::string_view name;
  LoraSumKernel kernel;
};
std::span<const NamedLoraSumKernel> LoraSumKernels();

// values[i] += sums[i] * scale, with two roundings, and NaN as above.
void AddLoraProducts(const float* sums, float scale, float* values, std::size_t count);

// products[i] *= scale: what AddLoraProducts adds, for a rule that rounds it in between.
void ScaleLoraProducts(float scale, float* products, std::size_t count);

}  // namespace shardfs
