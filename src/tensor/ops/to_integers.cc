#include "tensor/ops/to_integers.h"

#include "tensor/ops/elementwise.h"
#include "tensor/ops/float_blocks.h"

namespace shardfs::ops {
namespace {

template <Dtype kDtype>
bool Truncate(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const float value = LoadValue<kDtype>(inputs[0], i);
    // What x86 gives for values that 32 bits do not hold, NaN among them; C leaves it undefined.
    const bool fits = value >= -2147483648.0f && value < 2147483648.0f;
    const std::int32_t whole = fits ? static_cast<std::int32_t>(value) : INT32_MIN;
    StoreElement(output, i, static_cast<std::int8_t>(whole));
  }
  return true;
}

template <Dtype kDtype>
bool TakeF32Bits(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::int32_t>(LoadValue<kDtype>(inputs[0], i));
    StoreElement(output, i, static_cast<std::int64_t>(bits));
  }
  return true;
}

template <Dtype kDtype>
bool TakeF16RoundedBits(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  constexpr std::size_t kBytes = sizeof(typename Float<kDtype>::Bits);
  static const CastKernel widen = FindCastKernel(Dtype::kF16, Dtype::kF32);
  std::array<std::byte, kBlockElements * 2> halves;
  std::array<std::uint32_t, kBlockElements> bits;
  for (std::size_t first = 0; first < count; first += kBlockElements) {
    const std::size_t size = std::min(kBlockElements, count - first);
    const std::byte* rounded = inputs[0] + first * kBytes;
    if constexpr (kDtype != Dtype::kF16) {
      static const CastKernel narrow = FindCastKernel(kDtype, Dtype::kF16);
      narrow(rounded, halves.data(), size);
      rounded = halves.data();
    }
    widen(rounded, reinterpret_cast<std::byte*>(bits.data()), size);
    for (std::size_t i = 0; i < size; ++i) StoreElement(output, first + i, static_cast<std::int64_t>(bits[i]));
  }
  return true;
}

const Elementwise kTruncations[] = {
    {"truncation", Dtype::kF32, Dtype::kI8, true, Truncate<Dtype::kF32>},
    {"truncation", Dtype::kF16, Dtype::kI8, true, Truncate<Dtype::kF16>},
    {"truncation", Dtype::kBF16, Dtype::kI8, true, Truncate<Dtype::kBF16>},
};

const Elementwise kF32Bits[] = {
    {"bits", Dtype::kF32, Dtype::kI64, true, TakeF32Bits<Dtype::kF32>},
    {"bits", Dtype::kF16, Dtype::kI64, true, TakeF32Bits<Dtype::kF16>},
    {"bits", Dtype::kBF16, Dtype::kI64, true, TakeF32Bits<Dtype::kBF16>},
};

const Elementwise kF16RoundedBits[] = {
    {"bits by way of F16", Dtype::kF32, Dtype::kI64, true, TakeF16RoundedBits<Dtype::kF32>},
    {"bits by way of F16", Dtype::kF16, Dtype::kI64, true, TakeF16RoundedBits<Dtype::kF16>},
    {"bits by way of F16", Dtype::kBF16, Dtype::kI64, true, TakeF16RoundedBits<Dtype::kBF16>},
};

}  // namespace

Result<TensorPtr> TruncateToI8(TensorPtr input) {
  return ApplyElementwise(kTruncations, Dtype::kI8, {std::move(input)});
}

Result<TensorPtr> F32BitsToI64(TensorPtr input) { return ApplyElementwise(kF32Bits, Dtype::kI64, {std::move(input)}); }

Result<TensorPtr> F16RoundedBitsToI64(TensorPtr input) {
  return ApplyElementwise(kF16RoundedBits, Dtype::kI64, {std::move(input)});
}

}  // namespace shardfs::ops
