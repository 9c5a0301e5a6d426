// A vector of codes is widened by way of F16: a code's bits moved into those of an F16, with the sign in its place, are
// the value times 2^-8, subnormals included, so the processor's conversion from F16 and a product with 2^8 give the
// value exactly. NaN codes would become numbers that way: lanes that hold one go by the definition. A finite scale then
// makes no other NaN, which leaves rounding to BF16 to integer instructions; other scales go by the definition too.
#include "tensor/fp8_kernels.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "shardfs/tensor/cast_kernels.h"
#include "tensor/cast_vectors.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace shardfs {
namespace {

constexpr std::uint16_t kNan = 0x7FC0;

bool IsNanCode(std::uint8_t code) { return (code & 0x7f) == 0x7f; }

std::array<float, 256> AllValues() {
  std::array<float, 256> values{};
  for (unsigned code = 0; code < values.size(); ++code) {
    const unsigned exponent = code >> 3 & 15;
    const auto mantissa = static_cast<float>(code & 7);
    const float magnitude =
        exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8.0f + mantissa, static_cast<int>(exponent) - 10);
    values[code] = (code & 0x80) != 0 ? -magnitude : magnitude;
    if ((code & 0x7f) == 0x7f) values[code] = std::numeric_limits<float>::quiet_NaN();
  }
  return values;
}

const std::array<float, 256>& Values() {
  static const std::array<float, 256> values = AllValues();
  return values;
}

std::uint16_t Round(float value) { return std::isnan(value) ? kNan : F32ToBF16(std::bit_cast<std::uint32_t>(value)); }

bool ScaleByDefinition(const std::byte* codes, float scale, std::byte* output, std::size_t count) {
  const float* const values = Values().data();
  bool has_nan = false;
  for (std::size_t i = 0; i < count; ++i) {
    const auto code = std::to_integer<std::uint8_t>(codes[i]);
    has_nan = has_nan || IsNanCode(code);
    const std::uint16_t result = Round(values[code] * scale);
    std::memcpy(output + 2 * i, &result, sizeof result);
  }
  return has_nan;
}

// A run of so many codes is worth a table of the products of all 256 with the scale.
constexpr std::size_t kTableCodes = 512;

bool ScaleBaseline(const std::byte* codes, float scale, std::byte* output, std::size_t count) {
  if (count < kTableCodes) return ScaleByDefinition(codes, scale, output, count);
  std::array<std::uint16_t, 256> table;
  for (std::size_t code = 0; code < table.size(); ++code) table[code] = Round(Values()[code] * scale);
  bool has_nan = false;
  for (std::size_t i = 0; i < count; ++i) {
    const auto code = std::to_integer<std::uint8_t>(codes[i]);
    has_nan |= IsNanCode(code);
    std::memcpy(output + 2 * i, &table[code], sizeof table[0]);
  }
  return has_nan;
}

#if defined(__x86_64__)

constexpr std::size_t kLanes = 16;

// The upper half of each element is its value rounded to BF16; the lower half is what was rounded away.
__attribute__((target("avx2,f16c"), always_inline)) inline __m256i RoundUpperHalf(__m256 value) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
}

// Eight codes, each in the upper byte of its half, as values times 2^-8, times `shift` and then `factor`.
__attribute__((target("avx2,f16c"), always_inline)) inline __m256i Scaled(__m128i high, __m256 shift, __m256 factor) {
  // The shift copies the sign into the bit below it, which the mask takes away.
  const __m128i halves = _mm_and_si128(_mm_srai_epi16(high, 1), _mm_set1_epi16(static_cast<short>(0xbfff)));
  return RoundUpperHalf(_mm256_mul_ps(_mm256_mul_ps(_mm256_cvtph_ps(halves), shift), factor));
}

// Codes at even places and codes at odd ones are scaled apart: their results lie in the two halves of the same
// elements then, and need no shuffle to be put together.
__attribute__((target("avx2,f16c"))) bool ScaleVectors(const std::byte* codes, float scale, std::byte* output,
                                                       std::size_t count) {
  const __m256 factor = _mm256_set1_ps(scale);
  const __m256 shift = _mm256_set1_ps(256.0f);
  const __m128i nan_code = _mm_set1_epi8(0x7f);
  bool has_nan = false;
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i));
    const __m128i is_nan = _mm_cmpeq_epi8(_mm_and_si128(bytes, nan_code), nan_code);
    if (_mm_movemask_epi8(is_nan) != 0) {
      has_nan = ScaleByDefinition(codes + i, scale, output + 2 * i, kLanes);
      continue;
    }
    const __m256i even = Scaled(_mm_slli_epi16(bytes, 8), shift, factor);
    const __m256i odd = Scaled(_mm_and_si128(bytes, _mm_set1_epi16(static_cast<short>(0xff00))), shift, factor);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + 2 * i),
                        _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xaa));
  }
  return has_nan;
}

#elif defined(__aarch64__)

constexpr std::size_t kLanes = 8;

inline uint32x4_t RoundToUpper(float32x4_t value) {
  const uint32x4_t bits = vreinterpretq_u32_f32(value);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  return vshrq_n_u32(vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
}

bool ScaleVectors(const std::byte* codes, float scale, std::byte* output, std::size_t count) {
  const float32x4_t factor = vdupq_n_f32(scale);
  const float32x4_t shift = vdupq_n_f32(256.0f);
  const uint8x8_t nan_code = vdup_n_u8(0x7f);
  bool has_nan = false;
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
    const uint8x8_t bytes = vld1_u8(reinterpret_cast<const std::uint8_t*>(codes + i));
    if (vmaxv_u8(vceq_u8(vand_u8(bytes, nan_code), nan_code)) != 0) {
      has_nan = ScaleByDefinition(codes + i, scale, output + 2 * i, kLanes);
      continue;
    }
    const int16x8_t high = vreinterpretq_s16_u16(vshll_n_u8(bytes, 8));
    // The shift copies the sign into the bit below it, which the mask takes away.
    const uint16x8_t halves = vandq_u16(vreinterpretq_u16_s16(vshrq_n_s16(high, 1)), vdupq_n_u16(0xbfff));
    const float16x8_t values = vreinterpretq_f16_u16(halves);
    const float32x4_t low_values = vmulq_f32(vcvt_f32_f16(vget_low_f16(values)), shift);
    const float32x4_t high_values = vmulq_f32(vcvt_high_f32_f16(values), shift);
    const uint16x8_t packed = vcombine_u16(vmovn_u32(RoundToUpper(vmulq_f32(low_values, factor))),
                                           vmovn_u32(RoundToUpper(vmulq_f32(high_values, factor))));
    vst1q_u8(reinterpret_cast<std::uint8_t*>(output + 2 * i), vreinterpretq_u8_u16(packed));
  }
  return has_nan;
}

#endif

#if defined(__x86_64__) || defined(__aarch64__)

bool ScaleWithVectors(const std::byte* codes, float scale, std::byte* output, std::size_t count) {
  if (!std::isfinite(scale)) return ScaleByDefinition(codes, scale, output, count);
  const std::size_t whole = count / kLanes * kLanes;
  const bool in_vectors = ScaleVectors(codes, scale, output, whole);
  return ScaleByDefinition(codes + whole, scale, output + 2 * whole, count - whole) || in_vectors;
}

#endif

}  // namespace

float E4M3Value(std::uint8_t code) { return Values()[code]; }

std::uint16_t ScaleE4M3(std::uint8_t code, float scale) { return Round(Values()[code] * scale); }

E4M3ScaleKernel FindE4M3ScaleKernel() {
#if defined(__x86_64__) || defined(__aarch64__)
  if (FindVectorCastKernel(Dtype::kF16, Dtype::kF32) != nullptr) return ScaleWithVectors;
#endif
  return ScaleBaseline;
}

E4M3ScaleKernel FindBaselineE4M3ScaleKernel() { return ScaleBaseline; }

}  // namespace shardfs
