#include "layout/mindie/reader/merge_geometry.h"

#include "shardfs/base/checked_math.h"

namespace shardfs {

std::uint64_t SliceSize(std::uint64_t size, std::uint64_t ranks) { return CeilDiv(size, ranks); }

std::uint64_t RanksPerPart(std::uint64_t size, std::uint64_t ranks) {
  return size % ranks != 0 && ranks % size == 0 ? ranks / size : 1;
}

Result<TensorPtr> JoinParts(std::vector<TensorPtr> parts, std::uint64_t axis, std::uint64_t size) {
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr whole, Tensor::Concat(std::move(parts), axis));
  if (whole->shape()[axis] == size) return whole;
  return Tensor::Slice(std::move(whole), axis, 0, size);
}

Result<TensorPtr> RestoreRopeRows(TensorPtr tensor, std::uint64_t block, std::uint64_t rope) {
  const std::uint64_t even_rows = CeilDiv(rope, 2);
  std::vector<std::uint64_t> rows;
  rows.reserve(block);
  for (std::uint64_t row = 0; row < block - rope; ++row) rows.push_back(row);
  for (std::uint64_t row = 0; row < rope; ++row) {
    rows.push_back(block - rope + row / 2 + (row % 2 == 0 ? 0 : even_rows));
  }
  const Shape shape = tensor->shape();
  Shape blocks = {shape[0] / block, block};  // NOLINT(clang-analyzer-core.DivideZero): sizes are at least 1
  blocks.insert(blocks.end(), shape.begin() + 1, shape.end());
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr split, Tensor::Reshape(std::move(tensor), std::move(blocks)));
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr gathered, Tensor::RowGather(std::move(split), 1, std::move(rows)));
  return Tensor::Reshape(std::move(gathered), shape);
}

Result<TensorPtr> JoinKeyAndValue(TensorPtr key, TensorPtr value) {
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, Tensor::Permute(std::move(value), {0, 2, 1}));
  return Tensor::Concat({std::move(key), std::move(rows)}, 1);
}

}  // namespace shardfs
