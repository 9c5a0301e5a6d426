#include "layout/mindie/tensor_rules.h"

#include <algorithm>

#include "shardfs/base/checked_math.h"

namespace shardfs {

Result<TensorPtr> Shard(TensorPtr tensor, std::uint64_t axis, const SplitGroup& group) {
  if (group.size == 1) return tensor;
  const std::uint64_t size = tensor->shape()[axis];
  if (size % group.size == 0) {
    const std::uint64_t part = size / group.size;
    return Tensor::Slice(std::move(tensor), axis, group.rank * part, (group.rank + 1) * part);
  }
  if (group.size % size == 0) {
    const std::uint64_t index = group.rank / (group.size / size);
    return Tensor::Slice(std::move(tensor), axis, index, index + 1);
  }
  const std::uint64_t part = CeilDiv(size, group.size);
  const std::uint64_t begin = std::min(group.rank * part, size);
  const std::uint64_t end = std::min(begin + part, size);
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr slice, Tensor::Slice(std::move(tensor), axis, begin, end));
  return Tensor::PadZeros(std::move(slice), axis, 0, part - (end - begin));
}

Result<TensorPtr> PermuteRopeRows(TensorPtr tensor, std::uint64_t block, std::uint64_t rope) {
  std::vector<std::uint64_t> rows;
  rows.reserve(block);
  for (std::uint64_t row = 0; row < block - rope; ++row) rows.push_back(row);
  for (std::uint64_t row = 0; row < rope; row += 2) rows.push_back(block - rope + row);
  for (std::uint64_t row = 1; row < rope; row += 2) rows.push_back(block - rope + row);
  const Shape shape = tensor->shape();
  Shape blocks = {shape[0] / block, block};  // NOLINT(clang-analyzer-core.DivideZero): sizes are at least 1
  blocks.insert(blocks.end(), shape.begin() + 1, shape.end());
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr split, Tensor::Reshape(std::move(tensor), std::move(blocks)));
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr gathered, Tensor::RowGather(std::move(split), 1, std::move(rows)));
  return Tensor::Reshape(std::move(gathered), shape);
}

Result<TensorPtr> RotateRows(TensorPtr tensor, std::uint64_t first) {
  if (first == 0) return tensor;
  const std::uint64_t rows = tensor->shape()[0];
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr tail, Tensor::Slice(tensor, 0, first, rows));
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr head, Tensor::Slice(std::move(tensor), 0, 0, first));
  return Tensor::Concat({std::move(tail), std::move(head)}, 0);
}

namespace {

Result<TensorPtr> HeadRows(TensorPtr tensor, std::uint64_t heads, std::uint64_t rows, std::uint64_t begin,
                           std::uint64_t end) {
  const std::uint64_t columns = tensor->shape()[1];
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr view, Tensor::Reshape(std::move(tensor), {heads, rows, columns}));
  return Tensor::Slice(std::move(view), 1, begin, end);
}

}  // namespace

Result<TensorPtr> KeyPartOfKvB(TensorPtr tensor, std::uint64_t heads, std::uint64_t nope, std::uint64_t v) {
  return HeadRows(std::move(tensor), heads, nope + v, 0, nope);
}

Result<TensorPtr> ValuePartOfKvB(TensorPtr tensor, std::uint64_t heads, std::uint64_t nope, std::uint64_t v) {
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, HeadRows(std::move(tensor), heads, nope + v, nope, nope + v));
  return Tensor::Permute(std::move(rows), {0, 2, 1});
}

}  // namespace shardfs
