#include "tensor/cast_vectors.h"

#include <array>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__x86_64__) || defined(__aarch64__)

namespace shardfs {
namespace {

constexpr std::size_t kLanes = 8;

#if defined(__x86_64__)

// The instructions are asked for by function, not for the whole file: nothing here may run before they were found, and
// inline functions of the library must not be compiled with them.
#define SHARDFS_VECTOR_TARGET __attribute__((target("avx2,f16c")))
#define SHARDFS_VECTOR_INLINE __attribute__((target("avx2,f16c"), always_inline)) inline

using Floats = __m256;

// clang 14 does not know "f16c" by name, so its bit is looked at; that the system keeps the registers is part of
// "avx2".
bool HasInstructions() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __builtin_cpu_supports("avx2") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

SHARDFS_VECTOR_INLINE __m128i LoadHalves(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
SHARDFS_VECTOR_INLINE void StoreHalves(__m128i halves, std::byte* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), halves);
}
SHARDFS_VECTOR_INLINE Floats LoadF32(const std::byte* from) {
  return _mm256_loadu_ps(reinterpret_cast<const float*>(from));
}
SHARDFS_VECTOR_INLINE Floats LoadF16(const std::byte* from) { return _mm256_cvtph_ps(LoadHalves(from)); }
SHARDFS_VECTOR_INLINE Floats LoadBF16(const std::byte* from) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(LoadHalves(from)), 16));
}
SHARDFS_VECTOR_INLINE void StoreF32(Floats value, std::byte* to) {
  _mm256_storeu_ps(reinterpret_cast<float*>(to), value);
}
SHARDFS_VECTOR_INLINE void StoreF16(Floats value, std::byte* to) {
  StoreHalves(_mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT), to);
}
SHARDFS_VECTOR_INLINE void StoreBF16(Floats value, std::byte* to) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
  const __m256i upper = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
  // Packing works on each half of the register: the second operand only fills what is not stored.
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(upper, upper), 0x08);
  StoreHalves(_mm256_castsi256_si128(packed), to);
}

#else

#define SHARDFS_VECTOR_TARGET
#define SHARDFS_VECTOR_INLINE inline

struct Floats {
  float32x4_t low;
  float32x4_t high;
};

bool HasInstructions() { return true; }  // part of every AArch64 that runs Linux

SHARDFS_VECTOR_INLINE uint16x8_t LoadHalves(const std::byte* from) {
  return vreinterpretq_u16_u8(vld1q_u8(reinterpret_cast<const std::uint8_t*>(from)));
}
SHARDFS_VECTOR_INLINE void StoreHalves(uint16x8_t halves, std::byte* to) {
  vst1q_u8(reinterpret_cast<std::uint8_t*>(to), vreinterpretq_u8_u16(halves));
}
SHARDFS_VECTOR_INLINE Floats LoadF32(const std::byte* from) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(from);
  return {vreinterpretq_f32_u8(vld1q_u8(bytes)), vreinterpretq_f32_u8(vld1q_u8(bytes + 16))};
}
SHARDFS_VECTOR_INLINE Floats LoadF16(const std::byte* from) {
  const float16x8_t halves = vreinterpretq_f16_u16(LoadHalves(from));
  return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
}
SHARDFS_VECTOR_INLINE Floats LoadBF16(const std::byte* from) {
  const uint16x8_t halves = LoadHalves(from);
  return {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(halves), 16)),
          vreinterpretq_f32_u32(vshll_high_n_u16(halves, 16))};
}
SHARDFS_VECTOR_INLINE void StoreF32(Floats value, std::byte* to) {
  auto* const bytes = reinterpret_cast<std::uint8_t*>(to);
  vst1q_u8(bytes, vreinterpretq_u8_f32(value.low));
  vst1q_u8(bytes + 16, vreinterpretq_u8_f32(value.high));
}
SHARDFS_VECTOR_INLINE void StoreF16(Floats value, std::byte* to) {
  StoreHalves(vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(value.low), value.high)), to);
}
SHARDFS_VECTOR_INLINE uint32x4_t RoundToUpper(float32x4_t value) {
  const uint32x4_t bits = vreinterpretq_u32_f32(value);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x00400000));
  return vbslq_u32(vceqq_f32(value, value), rounded, quiet);  // a NaN is not equal to itself
}
SHARDFS_VECTOR_INLINE void StoreBF16(Floats value, std::byte* to) {
  const uint16x4_t low = vshrn_n_u32(RoundToUpper(value.low), 16);
  StoreHalves(vshrn_high_n_u32(low, RoundToUpper(value.high), 16), to);
}

#endif

template <Dtype kFrom, Dtype kTo>
SHARDFS_VECTOR_INLINE void CastLanes(const std::byte* from, std::byte* to) {
  Floats value;
  if constexpr (kFrom == Dtype::kF32) {
    value = LoadF32(from);
  } else if constexpr (kFrom == Dtype::kF16) {
    value = LoadF16(from);
  } else {
    value = LoadBF16(from);
  }
  if constexpr (kTo == Dtype::kF32) {
    StoreF32(value, to);
  } else if constexpr (kTo == Dtype::kF16) {
    StoreF16(value, to);
  } else {
    StoreBF16(value, to);
  }
}

template <Dtype kFrom, Dtype kTo>
SHARDFS_VECTOR_TARGET void CastVectors(const std::byte* input, std::byte* output, std::size_t count) {
  constexpr std::size_t kFromBytes = kFrom == Dtype::kF32 ? 4 : 2;
  constexpr std::size_t kToBytes = kTo == Dtype::kF32 ? 4 : 2;
  for (; count >= kLanes; count -= kLanes) {
    CastLanes<kFrom, kTo>(input, output);
    input += kLanes * kFromBytes;
    output += kLanes * kToBytes;
  }
  std::array<std::byte, kLanes * 4> last{};
  std::array<std::byte, kLanes * 4> result;
  std::memcpy(last.data(), input, count * kFromBytes);
  CastLanes<kFrom, kTo>(last.data(), result.data());
  std::memcpy(output, result.data(), count * kToBytes);
}

}  // namespace

CastKernel FindVectorCastKernel(Dtype from, Dtype to) {
  static const bool has_instructions = HasInstructions();
  if (!has_instructions) return nullptr;
  if (from == Dtype::kF32 && to == Dtype::kF16) return CastVectors<Dtype::kF32, Dtype::kF16>;
  if (from == Dtype::kF32 && to == Dtype::kBF16) return CastVectors<Dtype::kF32, Dtype::kBF16>;
  if (from == Dtype::kF16 && to == Dtype::kF32) return CastVectors<Dtype::kF16, Dtype::kF32>;
  if (from == Dtype::kBF16 && to == Dtype::kF32) return CastVectors<Dtype::kBF16, Dtype::kF32>;
  if (from == Dtype::kF16 && to == Dtype::kBF16) return CastVectors<Dtype::kF16, Dtype::kBF16>;
  if (from == Dtype::kBF16 && to == Dtype::kF16) return CastVectors<Dtype::kBF16, Dtype::kF16>;
  return nullptr;
}

}  // namespace shardfs

#else

namespace shardfs {

CastKernel FindVectorCastKernel(Dtype /*from*/, Dtype /*to*/) { return nullptr; }

}  // namespace shardfs

#endif
