// Arithmetic of F32, F16 and BF16, element by element: computed in F32 and rounded to the tensor's own dtype, nearest
// even. kNotSupported for other dtypes; two inputs have one shape and dtype.
#pragma once

#include "shardfs/tensor/tensor.h"

namespace shardfs::ops {

// The sign bit flipped, so that 0.0 becomes -0.0.
Result<TensorPtr> Negate(TensorPtr input);

// 1 / x.
Result<TensorPtr> Reciprocal(TensorPtr input);

Result<TensorPtr> Multiply(TensorPtr a, TensorPtr b);
Result<TensorPtr> Add(TensorPtr a, TensorPtr b);

}  // namespace shardfs::ops
