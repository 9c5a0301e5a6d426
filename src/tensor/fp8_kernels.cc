// How a vector of codes is widened: a code's bits moved into those of an F16, with the sign in its place, are the value
// times 2^-8, subnormals included, so the processor's conversion from F16 and a product with 2^8 give the value
// exactly. NaN codes would become numbers that way, and are put in afterwards. A finite scale then makes no other NaN,
// which leaves rounding to BF16 to integer instructions; other scales go by the definition.
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

void ScaleByDefinition(const std::byte* codes, float scale, std::byte* output, std::size_t count) {
  const float* const values = Values().data();
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t result = Round(values[std::to_integer<std::uint8_t>(codes[i])] * scale);
    std::memcpy(output + 2 * i, &result, sizeof result);
  }
}

// From so many codes on, products of all 256 with the scale are made first and looked up then.
constexpr std::size_t kTableCodes = 512;

void ScaleBaseline(const std::byte* codes, float scale, std::byte* output, std::size_t count) {
  if (count < kTableCodes) return ScaleByDefinition(codes, scale, output, count);
  std::array<std::uint16_t, 256> table;
  for (std::size_t code = 0; code < table.size(); ++code) table[code] = Round(Values()[code] * scale);
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(output + 2 * i, &table[std::to_integer<std::uint8_t>(codes[i])], sizeof table[0]);
  }
}

#if defined(__x86_64__)

constexpr std::size_t kLanes = 16;

__attribute__((target("avx2,f16c"), always_inline)) inline __m256i RoundToUpper(__m256 value) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  return _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
}

__attribute__((target("avx2,f16c"))) void ScaleVectors(const std::byte* codes, float scale, std::byte* output,
                                                       std::size_t count) {
  const __m256 factor = _mm256_set1_ps(scale);
  const __m256 shift = _mm256_set1_ps(256.0f);
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i));
    const __m256i high = _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 8);
    // The shift copies the sign into the bit below it, which the mask takes away.
    const __m256i halves = _mm256_and_si256(_mm256_srai_epi16(high, 1), _mm256_set1_epi16(static_cast<short>(0xbfff)));
    const __m256 low_values = _mm256_mul_ps(_mm256_cvtph_ps(_mm256_castsi256_si128(halves)), shift);
    const __m256 high_values = _mm256_mul_ps(_mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1)), shift);
    const __m256i packed =
        _mm256_permute4x64_epi64(_mm256_packus_epi32(RoundToUpper(_mm256_mul_ps(low_values, factor)),
                                                     RoundToUpper(_mm256_mul_ps(high_values, factor))),
                                 0xd8);
    const __m256i nan_code = _mm256_set1_epi16(0x7f00);
    const __m256i is_nan = _mm256_cmpeq_epi16(_mm256_and_si256(high, nan_code), nan_code);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + 2 * i),
                        _mm256_blendv_epi8(packed, _mm256_set1_epi16(kNan), is_nan));
  }
}

#elif defined(__aarch64__)

constexpr std::size_t kLanes = 8;

inline uint32x4_t RoundToUpper(float32x4_t value) {
  const uint32x4_t bits = vreinterpretq_u32_f32(value);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  return vshrq_n_u32(vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
}

void ScaleVectors(const std::byte* codes, float scale, std::byte* output, std::size_t count) {
  const float32x4_t factor = vdupq_n_f32(scale);
  const float32x4_t shift = vdupq_n_f32(256.0f);
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
    const uint8x8_t bytes = vld1_u8(reinterpret_cast<const std::uint8_t*>(codes + i));
    const int16x8_t high = vreinterpretq_s16_u16(vshll_n_u8(bytes, 8));
    // The shift copies the sign into the bit below it, which the mask takes away.
    const uint16x8_t halves = vandq_u16(vreinterpretq_u16_s16(vshrq_n_s16(high, 1)), vdupq_n_u16(0xbfff));
    const float16x8_t values = vreinterpretq_f16_u16(halves);
    const float32x4_t low_values = vmulq_f32(vcvt_f32_f16(vget_low_f16(values)), shift);
    const float32x4_t high_values = vmulq_f32(vcvt_high_f32_f16(values), shift);
    const uint16x8_t packed = vcombine_u16(vmovn_u32(RoundToUpper(vmulq_f32(low_values, factor))),
                                           vmovn_u32(RoundToUpper(vmulq_f32(high_values, factor))));
    const uint16x8_t nan_code = vdupq_n_u16(0x7f00);
    const uint16x8_t is_nan = vceqq_u16(vandq_u16(vreinterpretq_u16_s16(high), nan_code), nan_code);
    vst1q_u8(reinterpret_cast<std::uint8_t*>(output + 2 * i),
             vreinterpretq_u8_u16(vbslq_u16(is_nan, vdupq_n_u16(kNan), packed)));
  }
}

#endif

#if defined(__x86_64__) || defined(__aarch64__)

void ScaleWithVectors(const std::byte* codes, float scale, std::byte* output, std::size_t count) {
  if (!std::isfinite(scale)) return ScaleByDefinition(codes, scale, output, count);
  const std::size_t whole = count / kLanes * kLanes;
  ScaleVectors(codes, scale, output, whole);
  ScaleByDefinition(codes + whole, scale, output + 2 * whole, count - whole);
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

bool HasE4M3Nan(const std::byte* codes, std::size_t count) {
  std::uint8_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    found = static_cast<std::uint8_t>(found | ((std::to_integer<std::uint8_t>(codes[i]) & 0x7f) == 0x7f ? 1 : 0));
  }
  return found != 0;
}

}  // namespace shardfs
