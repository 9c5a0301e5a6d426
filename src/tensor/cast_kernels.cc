#include "shardfs/tensor/cast_kernels.h"

#include <bit>
#include <cstring>

namespace shardfs {
namespace {

constexpr std::uint32_t kF32SignMask = 0x80000000u;
constexpr std::uint32_t kF32Infinity = 0x7f800000u;

// Drops the low `shift` bits of `value`, rounding to nearest, ties to even.
constexpr std::uint32_t RoundShift(std::uint32_t value, std::uint32_t shift) {
  const std::uint32_t half = (1u << (shift - 1)) - 1 + ((value >> shift) & 1u);
  return (value + half) >> shift;
}

template <typename From, typename To, To (*Convert)(From)>
void CastArray(const std::byte* input, std::byte* output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    From from;
    std::memcpy(&from, input + i * sizeof(From), sizeof from);
    const To to = Convert(from);
    std::memcpy(output + i * sizeof(To), &to, sizeof to);
  }
}

std::uint16_t F16ToBF16(std::uint16_t bits) { return F32ToBF16(F16ToF32(bits)); }
std::uint16_t BF16ToF16(std::uint16_t bits) { return F32ToF16(BF16ToF32(bits)); }

}  // namespace

std::uint16_t F32ToBF16(std::uint32_t bits) {
  if ((bits & ~kF32SignMask) > kF32Infinity) return static_cast<std::uint16_t>((bits >> 16) | 0x0040u);
  // A carry out of the mantissa moves into the exponent, up to infinity: that is the rounding that IEEE 754 asks for.
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

std::uint32_t BF16ToF32(std::uint16_t bits) { return static_cast<std::uint32_t>(bits) << 16; }

std::uint16_t F32ToF16(std::uint32_t bits) {
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & ~kF32SignMask;
  if (magnitude > kF32Infinity) return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x03ffu));
  if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 2^16 and above, infinity
  if (magnitude >= 0x38800000u) {                                                   // 2^-14 and above: normal
    // Rebias the exponent from 127 to 15; rounding up to 2^16 carries into 0x7c00, which is infinity.
    return static_cast<std::uint16_t>(sign | RoundShift(magnitude - (112u << 23), 13));
  }
  if (magnitude < 0x33000000u) return static_cast<std::uint16_t>(sign);  // below 2^-25: rounds to zero
  const std::uint32_t exponent = magnitude >> 23;                        // 102 .. 112
  const std::uint32_t mantissa = (magnitude & 0x007fffffu) | 0x00800000u;
  return static_cast<std::uint16_t>(sign | RoundShift(mantissa, 126u - exponent));  // units of 2^-24
}

std::uint32_t F16ToF32(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  if (magnitude > 0x7c00u) return sign | 0x7fc00000u | (magnitude & 0x03ffu) << 13;
  if (magnitude == 0x7c00u) return sign | kF32Infinity;
  if (magnitude >= 0x0400u) return sign | ((magnitude << 13) + (112u << 23));
  // Subnormal: an integer count of 2^-24, which F32 holds exactly.
  return sign | std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24f);
}

CastKernel FindCastKernel(Dtype from, Dtype to) {
  if (from == Dtype::kF32 && to == Dtype::kF16) return CastArray<std::uint32_t, std::uint16_t, F32ToF16>;
  if (from == Dtype::kF32 && to == Dtype::kBF16) return CastArray<std::uint32_t, std::uint16_t, F32ToBF16>;
  if (from == Dtype::kF16 && to == Dtype::kF32) return CastArray<std::uint16_t, std::uint32_t, F16ToF32>;
  if (from == Dtype::kBF16 && to == Dtype::kF32) return CastArray<std::uint16_t, std::uint32_t, BF16ToF32>;
  if (from == Dtype::kF16 && to == Dtype::kBF16) return CastArray<std::uint16_t, std::uint16_t, F16ToBF16>;
  if (from == Dtype::kBF16 && to == Dtype::kF16) return CastArray<std::uint16_t, std::uint16_t, BF16ToF16>;
  return nullptr;
}

}  // namespace shardfs
