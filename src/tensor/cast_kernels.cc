#include "shardfs/tensor/cast_kernels.h"

#include <bit>
#include <cstring>

#include "tensor/cast_vectors.h"

namespace shardfs {
namespace {

constexpr std::uint32_t kF32SignMask = 0x80000000u;
constexpr std::uint32_t kF32Infinity = 0x7f800000u;

// Drops the low `shift` bits of `value`, rounding to nearest, ties to even.
constexpr std::uint32_t RoundShift(std::uint32_t value, std::uint32_t shift) {
  const std::uint32_t half = (1u << (shift - 1)) - 1 + ((value >> shift) & 1u);
  return (value + half) >> shift;
}

// The conversions once more without branches, for loops that the compiler turns into vector instructions. Equal to the
// functions below for every input (cast_kernels_test.cc).

inline __attribute__((always_inline)) std::uint32_t Select(bool condition, std::uint32_t yes, std::uint32_t no) {
  return condition ? yes : no;
}

inline __attribute__((always_inline)) std::uint32_t NarrowToBF16(std::uint32_t bits) {
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return Select((bits & ~kF32SignMask) > kF32Infinity, (bits >> 16) | 0x0040u, rounded);
}

inline __attribute__((always_inline)) std::uint32_t NarrowToF16(std::uint32_t bits) {
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & ~kF32SignMask;
  const std::uint32_t rebased = magnitude - (112u << 23);
  const std::uint32_t normal = (rebased + 0x0fffu + ((rebased >> 13) & 1u)) >> 13;
  // A float of 0.5 counts in units of 2^-24, those of F16's subnormals: the addition rounds to them.
  const float units = std::bit_cast<float>(magnitude) + 0.5f;
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(units) - std::bit_cast<std::uint32_t>(0.5f);
  std::uint32_t result = Select(magnitude < 0x38800000u, subnormal, normal);
  result = Select(magnitude >= 0x47800000u, 0x7c00u, result);
  result = Select(magnitude > kF32Infinity, 0x7e00u | ((magnitude >> 13) & 0x03ffu), result);
  return sign | result;
}

inline __attribute__((always_inline)) std::uint32_t WidenF16(std::uint32_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  const std::uint32_t normal = (magnitude << 13) + (112u << 23);
  // A signed conversion, because that is an instruction of its own; magnitudes have 15 bits.
  const float units = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f;
  std::uint32_t result = Select(magnitude < 0x0400u, std::bit_cast<std::uint32_t>(units), normal);
  result = Select(magnitude >= 0x7c00u, kF32Infinity | (magnitude & 0x03ffu) << 13, result);
  result = Select(magnitude > 0x7c00u, result | 0x00400000u, result);
  return sign | result;
}

struct F32ToF16Step {
  using From = std::uint32_t;
  using To = std::uint16_t;
  static inline __attribute__((always_inline)) To Apply(From bits) { return static_cast<To>(NarrowToF16(bits)); }
};
struct F32ToBF16Step {
  using From = std::uint32_t;
  using To = std::uint16_t;
  static inline __attribute__((always_inline)) To Apply(From bits) { return static_cast<To>(NarrowToBF16(bits)); }
};
struct F16ToF32Step {
  using From = std::uint16_t;
  using To = std::uint32_t;
  static inline __attribute__((always_inline)) To Apply(From bits) { return WidenF16(bits); }
};
struct BF16ToF32Step {
  using From = std::uint16_t;
  using To = std::uint32_t;
  static inline __attribute__((always_inline)) To Apply(From bits) { return static_cast<To>(bits) << 16; }
};
struct F16ToBF16Step {
  using From = std::uint16_t;
  using To = std::uint16_t;
  static inline __attribute__((always_inline)) To Apply(From bits) {
    return static_cast<To>(NarrowToBF16(WidenF16(bits)));
  }
};
struct BF16ToF16Step {
  using From = std::uint16_t;
  using To = std::uint16_t;
  static inline __attribute__((always_inline)) To Apply(From bits) {
    return static_cast<To>(NarrowToF16(static_cast<std::uint32_t>(bits) << 16));
  }
};

// For whatever the target always has: SSE2 on x86-64, NEON on AArch64.
template <typename Step>
void CastBaseline(const std::byte* __restrict input, std::byte* __restrict output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    typename Step::From from;
    std::memcpy(&from, input + i * sizeof from, sizeof from);
    const typename Step::To to = Step::Apply(from);
    std::memcpy(output + i * sizeof to, &to, sizeof to);
  }
}

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
  const CastKernel vectors = FindVectorCastKernel(from, to);
  return vectors != nullptr ? vectors : FindBaselineCastKernel(from, to);
}

CastKernel FindBaselineCastKernel(Dtype from, Dtype to) {
  if (from == Dtype::kF32 && to == Dtype::kF16) return CastBaseline<F32ToF16Step>;
  if (from == Dtype::kF32 && to == Dtype::kBF16) return CastBaseline<F32ToBF16Step>;
  if (from == Dtype::kF16 && to == Dtype::kF32) return CastBaseline<F16ToF32Step>;
  if (from == Dtype::kBF16 && to == Dtype::kF32) return CastBaseline<BF16ToF32Step>;
  if (from == Dtype::kF16 && to == Dtype::kBF16) return CastBaseline<F16ToBF16Step>;
  if (from == Dtype::kBF16 && to == Dtype::kF16) return CastBaseline<BF16ToF16Step>;
  return nullptr;
}

}  // namespace shardfs
