// The kernels of element-by-element operations: what each does to the bits, for each dtype that it is defined on.
//
// Thread-safety: constants and pure functions.
#pragma once

#include <cstddef>
#include <string_view>

#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {

struct ElementwiseKernel {
  TensorOp op = TensorOp::kCast;
  Dtype input = Dtype::kF32;  // of every input
  Dtype output = Dtype::kF32;
  bool keeps_zero = false;  // elements of all zero bits give an element of all zero bits
  // Reads `count` elements of each input and writes as many. None of the pointers need be aligned, and the output must
  // not overlap an input. False when the elements do not meet the operation's condition.
  bool (*apply)(const std::byte* const* inputs, std::byte* output, std::size_t count) = nullptr;
};

// nullptr where the operation is not defined from `input` to `output`.
const ElementwiseKernel* FindElementwiseKernel(TensorOp op, Dtype input, Dtype output);

std::string_view TensorOpName(TensorOp op);

}  // namespace shardfs
