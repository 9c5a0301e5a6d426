// ChunkedTensor: the expression of a tensor whose bytes lie in several runs of one file.
#pragma once

#include <span>

#include "shardfs/format/ckpt/ckpt.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {

// `chunks` in their order hold the row-major bytes of a tensor of that dtype and shape, as many as it needs; they may
// end within a row, or within an element. Borrows the source.
Result<TensorPtr> ChunkedTensor(const ByteSource* source, std::span<const FileRange> chunks, Dtype dtype,
                                const Shape& shape);

}  // namespace shardfs
