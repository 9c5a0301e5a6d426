// ops::SubtractMin: each element minus the smallest element of the whole tensor.
#pragma once

#include "shardfs/tensor/tensor.h"

namespace shardfs::ops {

// In the tensor's own dtype (F32; F16 and BF16 by way of F32, rounded to nearest even). A NaN anywhere makes every
// element NaN, as torch.min does. The first read of the elements finds the minimum, and it is kept. kNotSupported for
// other dtypes, kInvalidArgument for an empty input.
Result<TensorPtr> SubtractMin(TensorPtr input);

}  // namespace shardfs::ops
