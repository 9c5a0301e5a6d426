// ops::LoraAdd: a weight with a LoRA adapter's update added, W + s * (B @ A). ops::LoraAddBias: a bias likewise.
#pragma once

#include <vector>

#include "shardfs/tensor/tensor.h"
#include "tensor/ops/lora_add_kernel.h"

namespace shardfs::ops {

struct LoraUpdate {
  TensorPtr b;                 // [the sizes of the axes that are its rows ..., r]
  TensorPtr a;                 // [r, the sizes of the axes that are its columns ...]
  std::vector<LoraAxis> axes;  // of the weight, outermost first: which factor each belongs to
  float scaling = 1.0f;
  bool rounds_product = false;  // to the weight's dtype before it is added, as PEFT does with embeddings
};

// The arithmetic is that of tensor/lora_kernels.h. The result has the weight's dtype and shape. All three are F32, F16
// or BF16, of any mixture (kNotSupported otherwise); shapes that do not fit each other are kInvalidArgument.
Result<TensorPtr> LoraAdd(TensorPtr weight, LoraUpdate update);

// Element i is bias[i] + b[i] * scaling: the product is rounded to F32 and added, and the sum is rounded to the bias's
// dtype.
Result<TensorPtr> LoraAddBias(TensorPtr bias, TensorPtr b, float scaling);

}  // namespace shardfs::ops
