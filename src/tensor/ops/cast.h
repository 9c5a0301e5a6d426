// ops::Cast: each element converted among F32, F16 and BF16.
#pragma once

#include "shardfs/tensor/tensor.h"

namespace shardfs::ops {

// Exact as cast_kernels.h says. The same dtype gives the input. kNotSupported for other dtypes.
Result<TensorPtr> Cast(TensorPtr input, Dtype dtype);

}  // namespace shardfs::ops
