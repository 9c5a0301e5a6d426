#include "shardfs/tensor/tensor.h"

#include <fmt/format.h>

#include <algorithm>

#include "shardfs/base/checked_math.h"
#include "tensor/operation.h"

namespace shardfs {

std::string DescribeTensor(const Tensor& tensor) {
  return fmt::format("{} {}", DtypeName(tensor.dtype()), ShapeToString(tensor.shape()));
}

namespace {

Status CheckAxis(const Tensor& input, std::uint64_t axis, std::string_view op) {
  if (axis < input.shape().size()) return Status::Ok();
  return Status::InvalidArgument(fmt::format("{} along axis {} of a tensor of rank {} ({})", op, axis,
                                             input.shape().size(), DescribeTensor(input)));
}

}  // namespace

Result<std::shared_ptr<Tensor>> Tensor::NewNode(TensorOp op, Dtype dtype, Shape shape, std::vector<TensorPtr> inputs) {
  if (DtypeBytes(dtype) == 0 && op != TensorOp::kSource) {
    return Status::NotSupported(fmt::format(
        "elements of {} are not whole bytes, so such a tensor can only be handed on as it is", DtypeName(dtype)));
  }
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t elements, ElementCount(shape));
  const auto bits = CheckedMul(elements, DtypeBits(dtype));
  if (bits && *bits % 8 != 0) {
    return Status::InvalidArgument(
        fmt::format("a tensor of {} {} is not whole bytes", DtypeName(dtype), ShapeToString(shape)));
  }
  if (!bits) {
    return Status::InvalidArgument(
        fmt::format("a tensor of {} {} has more bits than 64 bits count", DtypeName(dtype), ShapeToString(shape)));
  }
  auto node = std::make_shared<Tensor>(Private());
  node->op_ = op;
  node->dtype_ = dtype;
  node->shape_ = std::move(shape);
  node->elements_ = elements;
  node->inputs_ = std::move(inputs);
  return node;
}

Result<TensorPtr> Tensor::Source(const ByteSource* source, std::uint64_t offset, Dtype dtype, Shape shape) {
  SHARDFS_ASSIGN_OR_RETURN(auto node, NewNode(TensorOp::kSource, dtype, std::move(shape), {}));
  const auto end = CheckedAdd(offset, node->bytes());
  if (!end || *end > source->size()) {
    return Status::Corruption(fmt::format("a tensor of {} at byte {} does not fit into {}, which has {} bytes",
                                          DescribeTensor(*node), offset, source->name(), source->size()));
  }
  node->source_ = source;
  node->begin_ = offset;
  return TensorPtr(std::move(node));
}

Result<TensorPtr> Tensor::Zeros(Dtype dtype, Shape shape) {
  SHARDFS_ASSIGN_OR_RETURN(auto node, NewNode(TensorOp::kZeros, dtype, std::move(shape), {}));
  return TensorPtr(std::move(node));
}

Result<TensorPtr> Tensor::Slice(TensorPtr input, std::uint64_t axis, std::uint64_t begin, std::uint64_t end) {
  SHARDFS_RETURN_IF_ERROR(CheckAxis(*input, axis, "slice"));
  const std::uint64_t size = input->shape()[axis];
  if (begin > end || end > size) {
    return Status::InvalidArgument(fmt::format("slice [{}, {}) of axis {}, which has {} elements, of a tensor of {}",
                                               begin, end, axis, size, DescribeTensor(*input)));
  }
  if (begin == 0 && end == size) return input;
  Shape shape = input->shape();
  shape[axis] = end - begin;
  const Dtype dtype = input->dtype();
  SHARDFS_ASSIGN_OR_RETURN(auto node, NewNode(TensorOp::kSlice, dtype, std::move(shape), {std::move(input)}));
  node->axis_ = axis;
  node->begin_ = begin;
  return TensorPtr(std::move(node));
}

Result<TensorPtr> Tensor::Concat(std::vector<TensorPtr> inputs, std::uint64_t axis) {
  if (inputs.empty()) return Status::InvalidArgument("concat of no tensors");
  SHARDFS_RETURN_IF_ERROR(CheckAxis(*inputs.front(), axis, "concat"));
  if (inputs.size() == 1) return std::move(inputs.front());
  const Dtype dtype = inputs.front()->dtype();
  Shape shape = inputs.front()->shape();
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    const Tensor& input = *inputs[i];
    bool agrees = input.dtype() == dtype && input.shape().size() == shape.size();
    for (std::size_t a = 0; agrees && a < shape.size(); ++a) agrees = a == axis || input.shape()[a] == shape[a];
    if (!agrees) {
      return Status::InvalidArgument(fmt::format("concat along axis {} of a tensor of {} with one of {}", axis,
                                                 DescribeTensor(*inputs.front()), DescribeTensor(input)));
    }
    const auto sum = CheckedAdd(shape[axis], input.shape()[axis]);
    if (!sum) return Status::InvalidArgument("concat of more elements than 64 bits count");
    shape[axis] = *sum;
  }
  SHARDFS_ASSIGN_OR_RETURN(auto node, NewNode(TensorOp::kConcat, dtype, std::move(shape), std::move(inputs)));
  node->axis_ = axis;
  return TensorPtr(std::move(node));
}

Result<TensorPtr> Tensor::Stack(std::vector<TensorPtr> inputs, std::uint64_t axis) {
  if (inputs.empty()) return Status::InvalidArgument("stack of no tensors");
  const TensorPtr first = inputs.front();
  if (axis > first->shape().size()) {
    return Status::InvalidArgument(fmt::format("stack before axis {} of a tensor of {}", axis, DescribeTensor(*first)));
  }
  for (TensorPtr& input : inputs) {
    if (input->dtype() != first->dtype() || input->shape() != first->shape()) {
      return Status::InvalidArgument(
          fmt::format("stack of a tensor of {} with one of {}", DescribeTensor(*first), DescribeTensor(*input)));
    }
    Shape shape = input->shape();
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    SHARDFS_ASSIGN_OR_RETURN(input, Reshape(std::move(input), std::move(shape)));
  }
  return Concat(std::move(inputs), axis);
}

Result<TensorPtr> Tensor::Reshape(TensorPtr input, Shape shape) {
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t elements, ElementCount(shape));
  if (elements != input->elements()) {
    return Status::InvalidArgument(fmt::format("reshape of a tensor of {} ({} elements) to {} ({} elements)",
                                               DescribeTensor(*input), input->elements(), ShapeToString(shape),
                                               elements));
  }
  if (shape == input->shape()) return input;
  const Dtype dtype = input->dtype();
  SHARDFS_ASSIGN_OR_RETURN(auto node, NewNode(TensorOp::kReshape, dtype, std::move(shape), {std::move(input)}));
  return TensorPtr(std::move(node));
}

Result<TensorPtr> Tensor::Permute(TensorPtr input, std::vector<std::uint64_t> axes) {
  const std::size_t rank = input->shape().size();
  std::vector<bool> seen(rank, false);
  bool valid = axes.size() == rank;
  for (std::size_t i = 0; valid && i < rank; ++i) {
    valid = axes[i] < rank && !seen[axes[i]];
    if (valid) seen[axes[i]] = true;
  }
  if (!valid) {
    return Status::InvalidArgument(fmt::format("permute of a tensor of {} by {}, which is no permutation of its axes",
                                               DescribeTensor(*input), ShapeToString(axes)));
  }
  if (std::is_sorted(axes.begin(), axes.end())) return input;
  Shape shape(rank);
  for (std::size_t i = 0; i < rank; ++i) shape[i] = input->shape()[axes[i]];
  const Dtype dtype = input->dtype();
  SHARDFS_ASSIGN_OR_RETURN(auto node, NewNode(TensorOp::kPermute, dtype, std::move(shape), {std::move(input)}));
  node->indices_ = std::move(axes);
  return TensorPtr(std::move(node));
}

Result<TensorPtr> Tensor::RowGather(TensorPtr input, std::uint64_t axis, std::vector<std::uint64_t> rows) {
  SHARDFS_RETURN_IF_ERROR(CheckAxis(*input, axis, "row gather"));
  const std::uint64_t size = input->shape()[axis];
  for (const std::uint64_t row : rows) {
    if (row >= size) {
      return Status::InvalidArgument(
          fmt::format("row gather of index {} of axis {}, which has {} elements, of a tensor of {}", row, axis, size,
                      DescribeTensor(*input)));
    }
  }
  Shape shape = input->shape();
  shape[axis] = rows.size();
  const Dtype dtype = input->dtype();
  SHARDFS_ASSIGN_OR_RETURN(auto node, NewNode(TensorOp::kRowGather, dtype, std::move(shape), {std::move(input)}));
  node->axis_ = axis;
  node->indices_ = std::move(rows);
  return TensorPtr(std::move(node));
}

Result<TensorPtr> Tensor::PadZeros(TensorPtr input, std::uint64_t axis, std::uint64_t before, std::uint64_t after) {
  SHARDFS_RETURN_IF_ERROR(CheckAxis(*input, axis, "pad"));
  std::vector<TensorPtr> parts;
  const Dtype dtype = input->dtype();
  Shape shape = input->shape();
  if (before > 0) {
    shape[axis] = before;
    SHARDFS_ASSIGN_OR_RETURN(auto zeros, Zeros(dtype, shape));
    parts.push_back(std::move(zeros));
  }
  parts.push_back(std::move(input));
  if (after > 0) {
    shape[axis] = after;
    SHARDFS_ASSIGN_OR_RETURN(auto zeros, Zeros(dtype, shape));
    parts.push_back(std::move(zeros));
  }
  return Concat(std::move(parts), axis);
}

Result<TensorPtr> Tensor::Literal(Dtype dtype, Shape shape, std::string bytes) {
  SHARDFS_ASSIGN_OR_RETURN(auto node, NewNode(TensorOp::kLiteral, dtype, std::move(shape), {}));
  if (bytes.size() != node->bytes()) {
    return Status::InvalidArgument(
        fmt::format("{} bytes for a tensor of {}, which has {}", bytes.size(), DescribeTensor(*node), node->bytes()));
  }
  node->literal_ = std::move(bytes);
  return TensorPtr(std::move(node));
}

Result<TensorPtr> Tensor::Apply(std::shared_ptr<const Operation> operation, std::vector<TensorPtr> inputs) {
  SHARDFS_ASSIGN_OR_RETURN(Operation::Output output, operation->Infer(inputs));
  SHARDFS_ASSIGN_OR_RETURN(auto node,
                           NewNode(TensorOp::kOperation, output.dtype, std::move(output.shape), std::move(inputs)));
  node->operation_ = std::move(operation);
  return TensorPtr(std::move(node));
}

}  // namespace shardfs
