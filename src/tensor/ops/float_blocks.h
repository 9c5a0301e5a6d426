// The operations of this folder read and write elements of the float dtypes with these: one by one as F32, or in blocks
// that are widened, computed on and narrowed, which the compiler makes vector instructions of.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shardfs/tensor/cast_kernels.h"
#include "shardfs/tensor/dtype.h"

namespace shardfs {

// Float says how a float dtype is stored, and what its bits are as F32.
template <Dtype kDtype>
struct Float;

template <>
struct Float<Dtype::kF32> {
  using Bits = std::uint32_t;
  static std::uint32_t Widen(Bits bits) { return bits; }
};
template <>
struct Float<Dtype::kF16> {
  using Bits = std::uint16_t;
  static std::uint32_t Widen(Bits bits) { return F16ToF32(bits); }
};
template <>
struct Float<Dtype::kBF16> {
  using Bits = std::uint16_t;
  static std::uint32_t Widen(Bits bits) { return BF16ToF32(bits); }
};

template <typename T>
T LoadElement(const std::byte* from, std::size_t index) {
  T value;
  std::memcpy(&value, from + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void StoreElement(std::byte* to, std::size_t index, T value) {
  std::memcpy(to + index * sizeof(T), &value, sizeof(T));
}

template <Dtype kDtype>
float LoadValue(const std::byte* from, std::size_t index) {
  return std::bit_cast<float>(Float<kDtype>::Widen(LoadElement<typename Float<kDtype>::Bits>(from, index)));
}

// Elements on their way through F32: few enough for the L1 cache, enough to make up for the calls.
inline constexpr std::size_t kBlockElements = 512;

template <Dtype kDtype>
void WidenBlock(const std::byte* from, std::size_t count, float* values) {
  auto* const bytes = reinterpret_cast<std::byte*>(values);
  if constexpr (kDtype == Dtype::kF32) {
    std::memcpy(bytes, from, count * sizeof(float));
  } else {
    static const CastKernel widen = FindCastKernel(kDtype, Dtype::kF32);
    widen(from, bytes, count);
  }
}

template <Dtype kDtype>
void NarrowBlock(const float* values, std::size_t count, std::byte* to) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(values);
  if constexpr (kDtype == Dtype::kF32) {
    std::memcpy(to, bytes, count * sizeof(float));
  } else {
    static const CastKernel narrow = FindCastKernel(Dtype::kF32, kDtype);
    narrow(bytes, to, count);
  }
}

// Calls function(first operand, second operand, count) for blocks as F32; it leaves its results in the first.
template <Dtype kDtype, std::size_t kInputs, typename Function>
void MapBlocks(const std::byte* const* inputs, std::byte* output, std::size_t count, Function&& function) {
  constexpr std::size_t kBytes = sizeof(typename Float<kDtype>::Bits);
  std::array<std::array<float, kBlockElements>, 2> operands;
  for (std::size_t first = 0; first < count; first += kBlockElements) {
    const std::size_t size = std::min(kBlockElements, count - first);
    for (std::size_t i = 0; i < kInputs; ++i) WidenBlock<kDtype>(inputs[i] + first * kBytes, size, operands[i].data());
    function(operands[0].data(), operands[1].data(), size);
    NarrowBlock<kDtype>(operands[0].data(), size, output + first * kBytes);
  }
}

}  // namespace shardfs
