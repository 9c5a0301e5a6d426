// Conversions among F32, F16 and BF16, defined to the bit.
//
// Narrowing rounds to nearest, ties to even; overflow gives infinity; subnormals are produced and consumed exactly.
// Widening is exact. NaN: the sign and the leading payload bits are kept and the quiet bit is set, as IEEE 754 asks of
// convertFormat and as F16C, AVX512-BF16 and AArch64 (default NaN off) do it; BF16 -> F32 is a plain shift and so keeps
// a signalling NaN as it is. F16 <-> BF16 goes by way of F32 (rounded once, because widening is exact).
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shardfs/tensor/dtype.h"

namespace shardfs {

std::uint16_t F32ToBF16(std::uint32_t bits);
std::uint16_t F32ToF16(std::uint32_t bits);
std::uint32_t BF16ToF32(std::uint16_t bits);
std::uint32_t F16ToF32(std::uint16_t bits);

// Converts `count` elements; neither pointer need be aligned; the ranges must not overlap.
using CastKernel = void (*)(const std::byte* input, std::byte* output, std::size_t count);

// nullptr unless both dtypes are among F32, F16 and BF16 and they differ. The kernel for what this processor has (F16C
// and AVX2, NEON), or the one for any processor of the architecture; both give the bits of the functions above.
CastKernel FindCastKernel(Dtype from, Dtype to);
CastKernel FindBaselineCastKernel(Dtype from, Dtype to);

}  // namespace shardfs
