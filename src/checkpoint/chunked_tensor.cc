// Rows (places of the first axis) that lie whole in a chunk are a source of their own, and so slices of any axis go
// down to the file. A row that chunks cut is put together of its parts, by elements, or by bytes where an element is
// cut too. The result is the concatenation of both along the first axis, with at most two inputs a chunk.
#include "checkpoint/chunked_tensor.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "shardfs/base/checked_math.h"
#include "tensor/ops/from_bytes.h"

namespace shardfs {
namespace {

// The bytes of the chunks, front to back.
class ChunkReader {
 public:
  explicit ChunkReader(std::span<const FileRange> chunks) : chunks_(chunks) {}

  // Returns the bytes of the current chunk that have not been taken.
  std::uint64_t left() const { return chunks_.empty() ? 0 : chunks_.front().size - used_; }

  // The next `size` bytes, at most left(); the chunk's rest is next.
  FileRange Take(std::uint64_t size) {
    const FileRange taken = {chunks_.front().offset + used_, size};
    used_ += size;
    if (used_ == chunks_.front().size) {
      chunks_ = chunks_.subspan(1);
      used_ = 0;
    }
    return taken;
  }

  bool empty() const { return chunks_.empty(); }

 private:
  std::span<const FileRange> chunks_;  // none is empty
  std::uint64_t used_ = 0;
};

Result<TensorPtr> RowOfParts(const ByteSource* source, std::span<const FileRange> parts, Dtype dtype,
                             const Shape& row) {
  const std::uint64_t element = DtypeBytes(dtype);
  const bool is_cut =
      std::any_of(parts.begin(), parts.end(), [element](const FileRange& part) { return part.size % element != 0; });
  const Dtype unit = is_cut ? Dtype::kU8 : dtype;
  std::vector<TensorPtr> inputs;
  for (const FileRange& part : parts) {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr input,
                             Tensor::Source(source, part.offset, unit, {part.size / DtypeBytes(unit)}));
    inputs.push_back(std::move(input));
  }
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr flat, Tensor::Concat(std::move(inputs), 0));
  return is_cut ? ops::FromBytes(std::move(flat), dtype, row) : Tensor::Reshape(std::move(flat), row);
}

}  // namespace

Result<TensorPtr> ChunkedTensor(const ByteSource* source, std::span<const FileRange> chunks, Dtype dtype,
                                const Shape& shape) {
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t elements, ElementCount(shape));
  if (elements == 0) return Tensor::Zeros(dtype, shape);
  if (chunks.size() == 1) return Tensor::Source(source, chunks.front().offset, dtype, shape);
  Shape row = shape.empty() ? Shape{1} : shape;
  const std::uint64_t row_bytes = elements / std::exchange(row[0], 1) * DtypeBytes(dtype);
  std::vector<TensorPtr> rows;
  for (ChunkReader reader(chunks); !reader.empty();) {
    Shape part_shape = row;
    if (const std::uint64_t whole = reader.left() / row_bytes; whole != 0) {
      part_shape[0] = whole;
      SHARDFS_ASSIGN_OR_RETURN(
          TensorPtr part, Tensor::Source(source, reader.Take(whole * row_bytes).offset, dtype, std::move(part_shape)));
      rows.push_back(std::move(part));
      continue;
    }
    std::vector<FileRange> parts;
    for (std::uint64_t missing = row_bytes; missing != 0 && !reader.empty(); missing -= parts.back().size) {
      parts.push_back(reader.Take(std::min(missing, reader.left())));
    }
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr part, RowOfParts(source, parts, dtype, row));
    rows.push_back(std::move(part));
  }
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr whole, Tensor::Concat(std::move(rows), 0));
  return shape.empty() ? Tensor::Reshape(std::move(whole), shape) : whole;
}

}  // namespace shardfs
