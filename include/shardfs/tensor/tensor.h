// Tensor: a lazy tensor expression. An immutable node of a DAG that says what its elements are (slice axis 0 from a to
// b of that tensor), not how they are read; LowerToPlan (read_plan.h) decides that.
//
// Each node knows its dtype and shape, computed and checked when it is built: a wrong rule fails then, with both shapes
// in the message (kInvalidArgument), never when somebody reads. Building touches no byte of a source.
//
// Elements are in row-major order. Axes count from 0, outermost first. Elements of dtypes below a byte (F4, F6) can
// only be handed on as a whole: a source node may have them, any operation on them is refused (kNotSupported).
//
// Thread-safety: immutable, may be shared among threads. Ownership: nodes share their inputs; a source node borrows its
// ByteSource, whose owner must outlive the node and every plan made from it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/shape.h"
#include "shardfs/source/byte_source.h"

namespace shardfs {

class Operation;  // tensor/operation.h

class Tensor;
using TensorPtr = std::shared_ptr<const Tensor>;

// A node is bytes that exist, a movement of its input, or an operation that computes.
enum class TensorOp : std::uint8_t {
  kSource,
  kZeros,
  kLiteral,
  kSlice,
  kConcat,
  kReshape,
  kPermute,
  kRowGather,
  kOperation,
};

class Tensor {
  struct Private {
    explicit Private() = default;
  };

 public:
  explicit Tensor(Private) {}  // for the functions below, by way of std::make_shared

  TensorOp op() const { return op_; }
  Dtype dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::uint64_t elements() const { return elements_; }
  std::uint64_t bytes() const { return elements_ * DtypeBits(dtype_) / 8; }  // checked not to wrap when it is built

  std::span<const TensorPtr> inputs() const { return inputs_; }
  std::uint64_t axis() const { return axis_; }          // kSlice, kConcat, kRowGather
  std::uint64_t begin() const { return begin_; }        // kSlice: first index; kSource: byte offset in the file
  const ByteSource* source() const { return source_; }  // kSource
  std::span<const std::uint64_t> indices() const { return indices_; }  // kPermute: axes; kRowGather: rows
  const std::string& literal() const { return literal_; }              // kLiteral: the bytes
  const std::shared_ptr<const Operation>& operation() const { return operation_; }  // kOperation: never null

  // `shape` elements of `dtype`, stored row-major in `source` from byte `offset`. kCorruption when they would lie
  // outside the source.
  static Result<TensorPtr> Source(const ByteSource* source, std::uint64_t offset, Dtype dtype, Shape shape);

  // All bits zero: 0, 0.0, false.
  static Result<TensorPtr> Zeros(Dtype dtype, Shape shape);

  // Indices [begin, end) of `axis`.
  static Result<TensorPtr> Slice(TensorPtr input, std::uint64_t axis, std::uint64_t begin, std::uint64_t end);

  // Inputs one behind the other along `axis`; they agree in dtype and in every other axis. At least one input.
  static Result<TensorPtr> Concat(std::vector<TensorPtr> inputs, std::uint64_t axis);

  // Inputs of one shape and dtype along a new axis, inserted before `axis` (0 .. rank).
  static Result<TensorPtr> Stack(std::vector<TensorPtr> inputs, std::uint64_t axis);

  // The same elements in row-major order under another shape of as many elements.
  static Result<TensorPtr> Reshape(TensorPtr input, Shape shape);

  // Axis i of the result is axis axes[i] of the input; `axes` is a permutation of 0 .. rank-1.
  static Result<TensorPtr> Permute(TensorPtr input, std::vector<std::uint64_t> axes);

  // Index i of `axis` of the result is index rows[i] of the input; rows may repeat and come in any order.
  static Result<TensorPtr> RowGather(TensorPtr input, std::uint64_t axis, std::vector<std::uint64_t> rows);

  // `before` zeros in front of `axis` and `after` behind it.
  static Result<TensorPtr> PadZeros(TensorPtr input, std::uint64_t axis, std::uint64_t before, std::uint64_t after);

  // Elements that are given here. `bytes` are as many as the shape needs.
  static Result<TensorPtr> Literal(Dtype dtype, Shape shape, std::string bytes);

  // Returns the node that `operation` computes from `inputs`, one or more. The functions of tensor/ops/ call this.
  static Result<TensorPtr> Apply(std::shared_ptr<const Operation> operation, std::vector<TensorPtr> inputs);

 private:
  static Result<std::shared_ptr<Tensor>> NewNode(TensorOp op, Dtype dtype, Shape shape, std::vector<TensorPtr> inputs);

  TensorOp op_ = TensorOp::kSource;
  Dtype dtype_ = Dtype::kF32;
  Shape shape_;
  std::uint64_t elements_ = 0;
  std::vector<TensorPtr> inputs_;
  std::uint64_t axis_ = 0;
  std::uint64_t begin_ = 0;
  const ByteSource* source_ = nullptr;
  std::vector<std::uint64_t> indices_;
  std::string literal_;
  std::shared_ptr<const Operation> operation_;
};

// "BF16 [128, 7168]", for messages.
std::string DescribeTensor(const Tensor& tensor);

}  // namespace shardfs
