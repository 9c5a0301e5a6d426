// Operation: what a tensor node computes from its inputs (a cast, a product, a scale for each block). An operation is
// one file in tensor/ops/ with a subclass of this and a function that builds the node; nothing else knows it.
//
// An operation says how a movement of its result (a slice, a permutation) is made of movements of its inputs. Lowering
// pushes the movement below the operation then, and a read of the slice needs the bytes of that slice alone. Where an
// operation says nothing, lowering moves the bytes that it computed: right as well, only slower.
//
// Immutable; const members from any number of threads. Nodes share their operation.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/read_plan.h"
#include "shardfs/tensor/shape.h"
#include "shardfs/tensor/tensor.h"
#include "tensor/plan_segments.h"

namespace shardfs {

// A movement of one tensor, as the function of Tensor of that name makes it.
struct Movement {
  enum class Kind : std::uint8_t { kSlice, kPermute, kRowGather, kReshape };

  Kind kind = Kind::kSlice;
  std::uint64_t axis = 0;              // kSlice, kRowGather
  std::uint64_t begin = 0;             // kSlice: the first index
  std::uint64_t count = 0;             // kSlice: how many
  std::vector<std::uint64_t> indices;  // kPermute: axes; kRowGather: rows; kReshape: the shape

  static Movement Slice(std::uint64_t axis, std::uint64_t begin, std::uint64_t count);
  static Movement Permute(std::span<const std::uint64_t> axes);
  static Movement RowGather(std::uint64_t axis, std::span<const std::uint64_t> rows);
  static Movement Reshape(const Shape& shape);

  // The shape of a moved tensor of `shape`.
  Shape Of(const Shape& shape) const;
};

class Operation {
 public:
  virtual ~Operation() = default;

  // A noun, for messages: "cast".
  virtual std::string_view name() const = 0;

  // The result's dtype and shape. kInvalidArgument for inputs that do not fit each other or the operation.
  struct Output {
    Dtype dtype = Dtype::kF32;
    Shape shape;
  };
  virtual Result<Output> Infer(std::span<const TensorPtr> inputs) const = 0;

  // Says whether inputs of all zero bits give a result of all zero bits.
  virtual bool KeepsZero() const { return false; }

  // The moved result as an operation (null: this one) on moved inputs: for each input, movements one after the other.
  struct Pushed {
    std::shared_ptr<const Operation> operation;
    std::vector<std::vector<Movement>> inputs;
  };
  // `shapes` are the inputs'. The result of the movement is not empty. Nothing where the operation cannot push it.
  virtual std::optional<Pushed> Push(const Movement& /*movement*/, std::span<const Shape> /*shapes*/) const {
    return std::nullopt;
  }

  // Says whether results of this operation ever join. Cheap: lowering asks it of each input of a concatenation.
  virtual bool IsJoinable() const { return false; }

  // Says whether this operation, applied to the inputs concatenated along `axis`, gives its result with `next`'s behind
  // it: one segment for a stack of experts, not one for each. `shapes` are this operation's inputs'.
  virtual bool Joins(const Operation& /*next*/, std::uint64_t /*axis*/, std::span<const Shape> /*shapes*/) const {
    return false;
  }

  // Computes the bytes of the result from the plans of the inputs, whose `shapes` are not empty.
  virtual std::shared_ptr<const ComputeKernel> MakeKernel(std::vector<ReadPlan> inputs,
                                                          std::span<const Shape> shapes) const = 0;
};

}  // namespace shardfs
