// A tile keeps its sums in registers while k runs: each step loads a vector of columns once for all rows and one
// element of each row for all columns. The sums come from memory and go back there, so that a caller may cut a long
// chain into pieces. Lanes never meet, so the number of lanes is not to be seen in the result.
#include "tensor/lora_kernels.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace shardfs {
namespace {

// Exact on every machine: a processor without the instruction has it from the C library.
void SumScalar(const LoraRows& rows, const float* columns, std::size_t rank, float* sums, std::size_t sum_stride) {
  for (std::size_t y = 0; y < rows.count; ++y) {
    for (std::size_t x = 0; x < kLoraTileColumns; ++x) {
      float sum = sums[y * sum_stride + x];
      for (std::size_t k = 0; k < rank; ++k) {
        sum = std::fma(rows.at[y * rows.stride + k], columns[k * kLoraTileColumns + x], sum);
      }
      sums[y * sum_stride + x] = sum;
    }
  }
}

// What a vector kernel is made of. kVectors vectors of kLanes columns are summed at a time, for kRows rows.
#define SHARDFS_LORA_TILE(kVectors, kLanes, Vector, Load, Store, Spread, MulAdd)                               \
  for (std::size_t first = 0; first < kLoraTileColumns; first += kVectors * kLanes) {                          \
    Vector sum[kRows][kVectors];                                                                               \
    for (std::size_t y = 0; y < kRows; ++y) {                                                                  \
      for (std::size_t v = 0; v < kVectors; ++v) sum[y][v] = Load(sums + y * sum_stride + first + v * kLanes); \
    }                                                                                                          \
    for (std::size_t k = 0; k < rank; ++k) {                                                                   \
      Vector column[kVectors];                                                                                 \
      for (std::size_t v = 0; v < kVectors; ++v)                                                               \
        column[v] = Load(columns + k * kLoraTileColumns + first + v * kLanes);                                 \
      for (std::size_t y = 0; y < kRows; ++y) {                                                                \
        const Vector element = Spread(rows.at[y * rows.stride + k]);                                           \
        for (std::size_t v = 0; v < kVectors; ++v) sum[y][v] = MulAdd(element, column[v], sum[y][v]);          \
      }                                                                                                        \
    }                                                                                                          \
    for (std::size_t y = 0; y < kRows; ++y) {                                                                  \
      for (std::size_t v = 0; v < kVectors; ++v) Store(sums + y * sum_stride + first + v * kLanes, sum[y][v]); \
    }                                                                                                          \
  }

#if defined(__x86_64__)

// The instructions are asked for by function: nothing here may run before they were found.
template <std::size_t kRows>
__attribute__((target("avx2,fma"))) void SumAvx2Rows(const LoraRows& rows, const float* columns, std::size_t rank,
                                                     float* sums, std::size_t sum_stride) {
  SHARDFS_LORA_TILE(2, 8, __m256, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps)
}

template <std::size_t kRows>
__attribute__((target("avx512f"))) void SumAvx512Rows(const LoraRows& rows, const float* columns, std::size_t rank,
                                                      float* sums, std::size_t sum_stride) {
  SHARDFS_LORA_TILE(4, 16, __m512, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps)
}

#elif defined(__aarch64__)

inline float32x4_t MulAddNeon(float32x4_t a, float32x4_t b, float32x4_t sum) { return vfmaq_f32(sum, a, b); }

template <std::size_t kRows>
void SumNeonRows(const LoraRows& rows, const float* columns, std::size_t rank, float* sums, std::size_t sum_stride) {
  SHARDFS_LORA_TILE(4, 4, float32x4_t, vld1q_f32, vst1q_f32, vdupq_n_f32, MulAddNeon)
}

#endif

#undef SHARDFS_LORA_TILE

// The kernel of as many rows as there are.
template <LoraSumKernel kOne, LoraSumKernel kTwo, LoraSumKernel kThree, LoraSumKernel kFour>
void SumRows(const LoraRows& rows, const float* columns, std::size_t rank, float* sums, std::size_t sum_stride) {
  constexpr LoraSumKernel kKernels[kLoraTileRows] = {kOne, kTwo, kThree, kFour};
  kKernels[rows.count - 1](rows, columns, rank, sums, sum_stride);
}

std::vector<NamedLoraSumKernel> FindKernels() {
  std::vector<NamedLoraSumKernel> kernels = {{"scalar", SumScalar}};
#if defined(__x86_64__)
  // Says too whether the system keeps the registers.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kernels.push_back({"AVX2", SumRows<SumAvx2Rows<1>, SumAvx2Rows<2>, SumAvx2Rows<3>, SumAvx2Rows<4>>});
  }
  if (__builtin_cpu_supports("avx512f")) {
    kernels.push_back({"AVX-512", SumRows<SumAvx512Rows<1>, SumAvx512Rows<2>, SumAvx512Rows<3>, SumAvx512Rows<4>>});
  }
#elif defined(__aarch64__)
  kernels.push_back({"NEON", SumRows<SumNeonRows<1>, SumNeonRows<2>, SumNeonRows<3>, SumNeonRows<4>>});
#endif
  return kernels;
}

constexpr float kNan = std::bit_cast<float>(std::uint32_t{0x7FC00000});

__attribute__((always_inline)) inline void AddProducts(const float* __restrict sums, float scale,
                                                       float* __restrict values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const float product = sums[i] * scale;
    const float value = values[i] + product;
    values[i] = value == value ? value : kNan;
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void AddProductsAvx2(const float* sums, float scale, float* values, std::size_t count) {
  AddProducts(sums, scale, values, count);
}
const bool kHasAvx2 = __builtin_cpu_supports("avx2") != 0;
#endif

}  // namespace

std::span<const NamedLoraSumKernel> LoraSumKernels() {
  static const std::vector<NamedLoraSumKernel> kernels = FindKernels();
  return kernels;
}

LoraSumKernel FindLoraSumKernel() { return LoraSumKernels().back().kernel; }

void AddLoraProducts(const float* sums, float scale, float* values, std::size_t count) {
#if defined(__x86_64__)
  if (kHasAvx2) return AddProductsAvx2(sums, scale, values, count);
#endif
  AddProducts(sums, scale, values, count);
}

void ScaleLoraProducts(float scale, float* products, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) products[i] *= scale;
}

}  // namespace shardfs
