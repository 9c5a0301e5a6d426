#include "tensor/ops/require_close.h"

#include <cmath>

#include "tensor/ops/elementwise.h"
#include "tensor/ops/float_blocks.h"

namespace shardfs::ops {
namespace {

template <Dtype kDtype>
bool Compare(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const double a = LoadValue<kDtype>(inputs[0], i);
    const double b = LoadValue<kDtype>(inputs[1], i);
    if (a != b && !(std::fabs(a - b) <= 1e-8 + 1e-5 * std::fabs(b))) return false;
  }
  std::memcpy(output, inputs[0], count * sizeof(typename Float<kDtype>::Bits));
  return true;
}

bool CompareI8(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  if (std::memcmp(inputs[0], inputs[1], count) != 0) return false;
  std::memcpy(output, inputs[0], count);
  return true;
}

const Elementwise kComparisons[] = {
    {"comparison", Dtype::kF32, Dtype::kF32, true, Compare<Dtype::kF32>},
    {"comparison", Dtype::kF16, Dtype::kF16, true, Compare<Dtype::kF16>},
    {"comparison", Dtype::kBF16, Dtype::kBF16, true, Compare<Dtype::kBF16>},
    {"comparison", Dtype::kI8, Dtype::kI8, true, CompareI8},
};

}  // namespace

Result<TensorPtr> RequireClose(TensorPtr a, TensorPtr b) {
  const Dtype dtype = a->dtype();
  return ApplyElementwise(kComparisons, dtype, {std::move(a), std::move(b)});
}

}  // namespace shardfs::ops
