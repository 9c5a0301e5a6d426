// Integers as the floats that they stand for. kNotSupported for other dtypes.
#pragma once

#include "shardfs/tensor/tensor.h"

namespace shardfs::ops {

// The value of an I8, which F32, F16 and BF16 all hold exactly.
Result<TensorPtr> I8ToFloat(TensorPtr input, Dtype dtype);

// The low 32 bits of an I64 as an F32: the inverse of F32BitsToI64 and F16RoundedBitsToI64 (to_integers.h).
Result<TensorPtr> I64BitsToF32(TensorPtr input);

}  // namespace shardfs::ops
