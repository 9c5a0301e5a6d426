#include "tensor/ops/cast.h"

#include "shardfs/tensor/cast_kernels.h"
#include "tensor/ops/elementwise.h"

namespace shardfs::ops {
namespace {

template <Dtype kFrom, Dtype kTo>
bool Convert(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  static const CastKernel kernel = FindCastKernel(kFrom, kTo);
  kernel(inputs[0], output, count);
  return true;
}

const Elementwise kCasts[] = {
    {"cast", Dtype::kF32, Dtype::kF16, true, Convert<Dtype::kF32, Dtype::kF16>},
    {"cast", Dtype::kF32, Dtype::kBF16, true, Convert<Dtype::kF32, Dtype::kBF16>},
    {"cast", Dtype::kF16, Dtype::kF32, true, Convert<Dtype::kF16, Dtype::kF32>},
    {"cast", Dtype::kF16, Dtype::kBF16, true, Convert<Dtype::kF16, Dtype::kBF16>},
    {"cast", Dtype::kBF16, Dtype::kF32, true, Convert<Dtype::kBF16, Dtype::kF32>},
    {"cast", Dtype::kBF16, Dtype::kF16, true, Convert<Dtype::kBF16, Dtype::kF16>},
};

}  // namespace

Result<TensorPtr> Cast(TensorPtr input, Dtype dtype) {
  if (input->dtype() == dtype) return input;
  return ApplyElementwise(kCasts, dtype, {std::move(input)});
}

}  // namespace shardfs::ops
