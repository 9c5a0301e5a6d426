#include "tensor/ops/from_integers.h"

#include "tensor/ops/elementwise.h"
#include "tensor/ops/float_blocks.h"

namespace shardfs::ops {
namespace {

template <Dtype kDtype>
bool Widen(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int8_t>(inputs[0][i])));
    if constexpr (kDtype == Dtype::kF32) {
      StoreElement(output, i, bits);
    } else {
      StoreElement(output, i, kDtype == Dtype::kF16 ? F32ToF16(bits) : F32ToBF16(bits));
    }
  }
  return true;
}

bool TakeLowBits(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, inputs[0] + i * sizeof bits, sizeof bits);
    StoreElement(output, i, static_cast<std::uint32_t>(bits));
  }
  return true;
}

const Elementwise kWidenings[] = {
    {"widening", Dtype::kI8, Dtype::kF32, true, Widen<Dtype::kF32>},
    {"widening", Dtype::kI8, Dtype::kF16, true, Widen<Dtype::kF16>},
    {"widening", Dtype::kI8, Dtype::kBF16, true, Widen<Dtype::kBF16>},
};

const Elementwise kLowBits[] = {{"low bits", Dtype::kI64, Dtype::kF32, true, TakeLowBits}};

}  // namespace

Result<TensorPtr> I8ToFloat(TensorPtr input, Dtype dtype) {
  return ApplyElementwise(kWidenings, dtype, {std::move(input)});
}

Result<TensorPtr> I64BitsToF32(TensorPtr input) { return ApplyElementwise(kLowBits, Dtype::kF32, {std::move(input)}); }

}  // namespace shardfs::ops
