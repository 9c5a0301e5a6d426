// E4M3 codes times a scale as BF16, defined to the bit.
//
// A code gives its value, exact in F32, times the scale, rounded to F32, then rounded to BF16, both to nearest, ties
// to even. Overflow gives the signed infinity, subnormals are kept, a zero's sign is the xor of the signs. Codes 0x7F
// and 0xFF are NaN; every NaN result is 0x7FC0. (spec/fp8-to-bf16.md, section 1)
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shardfs {

// The value of a code; a NaN for 0x7F and 0xFF.
float E4M3Value(std::uint8_t code);

// The rule above for one code.
std::uint16_t ScaleE4M3(std::uint8_t code, float scale);

// Applies the rule to `count` codes and one scale, and returns whether one of the codes is a NaN: a pass of its own
// over the codes would cost as much again. Neither pointer need be aligned; the ranges must not overlap.
using E4M3ScaleKernel = bool (*)(const std::byte* codes, float scale, std::byte* output, std::size_t count);

// The kernel for what this processor has (F16C and AVX2, NEON), or the one for any processor of the architecture.
E4M3ScaleKernel FindE4M3ScaleKernel();
E4M3ScaleKernel FindBaselineE4M3ScaleKernel();

}  // namespace shardfs
