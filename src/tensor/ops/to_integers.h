// Elements of F32, F16 and BF16 as integers. kNotSupported for other dtypes.
#pragma once

#include "shardfs/tensor/tensor.h"

namespace shardfs::ops {

// Truncated toward zero and wrapped to eight bits, as C converts by way of a 32-bit integer.
Result<TensorPtr> TruncateToI8(TensorPtr input);

// The 32 bits of the value as F32, sign-extended to I64.
Result<TensorPtr> F32BitsToI64(TensorPtr input);

// The value rounded to F16 and widened to F32, whose 32 bits are zero-extended to I64.
Result<TensorPtr> F16RoundedBitsToI64(TensorPtr input);

}  // namespace shardfs::ops
