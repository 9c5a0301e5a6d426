#include "tensor/ops/arithmetic.h"

#include "tensor/ops/elementwise.h"
#include "tensor/ops/float_blocks.h"

namespace shardfs::ops {
namespace {

template <Dtype kDtype>
bool FlipSigns(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  using Bits = typename Float<kDtype>::Bits;
  constexpr auto kSign = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  for (std::size_t i = 0; i < count; ++i) {
    StoreElement(output, i, static_cast<Bits>(LoadElement<Bits>(inputs[0], i) ^ kSign));
  }
  return true;
}

template <Dtype kDtype>
bool TakeReciprocals(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  MapBlocks<kDtype, 1>(inputs, output, count, [](float* __restrict values, const float*, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) values[i] = 1.0f / values[i];
  });
  return true;
}

template <Dtype kDtype>
bool TakeProducts(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  MapBlocks<kDtype, 2>(inputs, output, count, [](float* __restrict a, const float* __restrict b, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) a[i] = a[i] * b[i];
  });
  return true;
}

template <Dtype kDtype>
bool TakeSums(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  MapBlocks<kDtype, 2>(inputs, output, count, [](float* __restrict a, const float* __restrict b, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) a[i] = a[i] + b[i];
  });
  return true;
}

const Elementwise kNegations[] = {
    {"negation", Dtype::kF32, Dtype::kF32, false, FlipSigns<Dtype::kF32>},
    {"negation", Dtype::kF16, Dtype::kF16, false, FlipSigns<Dtype::kF16>},
    {"negation", Dtype::kBF16, Dtype::kBF16, false, FlipSigns<Dtype::kBF16>},
};

const Elementwise kReciprocals[] = {
    {"reciprocal", Dtype::kF32, Dtype::kF32, false, TakeReciprocals<Dtype::kF32>},
    {"reciprocal", Dtype::kF16, Dtype::kF16, false, TakeReciprocals<Dtype::kF16>},
    {"reciprocal", Dtype::kBF16, Dtype::kBF16, false, TakeReciprocals<Dtype::kBF16>},
};

const Elementwise kProducts[] = {
    {"product", Dtype::kF32, Dtype::kF32, true, TakeProducts<Dtype::kF32>},
    {"product", Dtype::kF16, Dtype::kF16, true, TakeProducts<Dtype::kF16>},
    {"product", Dtype::kBF16, Dtype::kBF16, true, TakeProducts<Dtype::kBF16>},
};

const Elementwise kSums[] = {
    {"sum", Dtype::kF32, Dtype::kF32, true, TakeSums<Dtype::kF32>},
    {"sum", Dtype::kF16, Dtype::kF16, true, TakeSums<Dtype::kF16>},
    {"sum", Dtype::kBF16, Dtype::kBF16, true, TakeSums<Dtype::kBF16>},
};

Result<TensorPtr> Apply(std::span<const Elementwise> table, std::vector<TensorPtr> inputs) {
  const Dtype dtype = inputs.front()->dtype();
  return ApplyElementwise(table, dtype, std::move(inputs));
}

}  // namespace

Result<TensorPtr> Negate(TensorPtr input) { return Apply(kNegations, {std::move(input)}); }

Result<TensorPtr> Reciprocal(TensorPtr input) { return Apply(kReciprocals, {std::move(input)}); }

Result<TensorPtr> Multiply(TensorPtr a, TensorPtr b) { return Apply(kProducts, {std::move(a), std::move(b)}); }

Result<TensorPtr> Add(TensorPtr a, TensorPtr b) { return Apply(kSums, {std::move(a), std::move(b)}); }

}  // namespace shardfs::ops
