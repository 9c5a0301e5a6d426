// ops::FromBytes: bytes as the elements of another dtype, for elements that are stored in two places.
#pragma once

#include "shardfs/tensor/tensor.h"

namespace shardfs::ops {

// The bytes of `input` (kU8, one axis), little-endian, as a tensor of that dtype and shape. kInvalidArgument where they
// are not as many as that takes.
Result<TensorPtr> FromBytes(TensorPtr input, Dtype dtype, Shape shape);

}  // namespace shardfs::ops
