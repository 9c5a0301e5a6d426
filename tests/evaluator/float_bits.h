// Floating-point numbers as bit patterns, by plain arithmetic in double: slow, and easy to see to be right.
#pragma once

#include <cstdint>

#include "shardfs/tensor/dtype.h"

namespace shardfs::evaluator {

// The value of the pattern `bits` of a F32, F16 or BF16; exact.
double ToDouble(Dtype dtype, std::uint32_t bits);

// The pattern of the F32, F16 or BF16 nearest to `value`, ties to even; too large becomes infinity. Not for NaN.
std::uint32_t Round(Dtype dtype, double value);

// A cast of one element, as PyTorch does it. NaN: to BF16 0x7FC0, to F16 sign and 0x7E00, to F32 the payload is kept.
std::uint32_t CastBits(Dtype from, Dtype to, std::uint32_t bits);

}  // namespace shardfs::evaluator
