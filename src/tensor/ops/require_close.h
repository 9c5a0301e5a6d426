// ops::RequireClose: a tensor of which the source has two copies, checked as it is read.
#pragma once

#include "shardfs/tensor/tensor.h"

namespace shardfs::ops {

// `a`, where |a - b| <= 1e-8 + 1e-5 * |b| for each element (of I8: a == b); a read that meets another element fails
// (kCorruption). F32, F16, BF16, I8; both inputs have one shape and dtype.
Result<TensorPtr> RequireClose(TensorPtr a, TensorPtr b);

}  // namespace shardfs::ops
