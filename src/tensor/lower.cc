#include <algorithm>
#include <optional>

#include "shardfs/tensor/read_plan.h"
#include "tensor/form.h"

namespace shardfs {
namespace {

// Rows [begin, begin + count) of `input`.
struct RowsOf {
  const Tensor* input = nullptr;
  std::uint64_t begin = 0;
  std::uint64_t count = 0;
};

// A reshape that undoes one below a slice of rows is a slice of what was reshaped: [A, n, c], flattened to [A * n, c]
// and cut between two heads, is [a, n, c] again. No view could be moved through the flattened form where its rows are
// listed or concatenated. Nothing where `reshape` is not of that kind.
std::optional<RowsOf> UndoneReshape(const Tensor& reshape) {
  const Tensor* below = reshape.inputs().front().get();
  std::uint64_t skipped = 0;  // elements
  if (below->op() == TensorOp::kSlice && below->axis() == 0) {
    skipped = below->begin() * Product(std::span(below->shape()).subspan(1));
    below = below->inputs().front().get();
  }
  if (below->op() != TensorOp::kReshape) return std::nullopt;
  const Tensor* const input = below->inputs().front().get();
  const Shape& shape = reshape.shape();
  const bool same_rows = !shape.empty() && shape.size() == input->shape().size() &&
                         std::equal(shape.begin() + 1, shape.end(), input->shape().begin() + 1);
  if (!same_rows) return std::nullopt;
  const std::uint64_t row = Product(std::span(shape).subspan(1));
  if (skipped % row != 0) return std::nullopt;
  return RowsOf{input, skipped / row, shape[0]};
}

Result<Form> FormOf(const Tensor& tensor) {
  if (tensor.elements() == 0) return ZerosForm(tensor.dtype(), tensor.shape());
  if (tensor.op() == TensorOp::kZeros) return ZerosForm(tensor.dtype(), tensor.shape());
  if (tensor.op() == TensorOp::kSource) {
    return ViewForm(
        StridedView::OverSource(tensor.source(), tensor.begin(), DtypeBytes(tensor.dtype()), tensor.shape()),
        tensor.dtype(), tensor.shape());
  }
  if (tensor.op() == TensorOp::kLiteral) return LiteralForm(tensor.literal(), tensor.dtype(), tensor.shape());
  if (tensor.op() == TensorOp::kConcat || tensor.op() == TensorOp::kOperation) {
    std::vector<Form> inputs;
    for (const TensorPtr& input : tensor.inputs()) {
      SHARDFS_ASSIGN_OR_RETURN(Form form, FormOf(*input));
      inputs.push_back(std::move(form));
    }
    if (tensor.op() == TensorOp::kConcat) return ConcatForm(std::move(inputs), tensor.axis());
    return OperationForm(std::move(inputs), tensor.operation(), tensor.dtype(), tensor.shape());
  }
  if (tensor.op() == TensorOp::kReshape) {
    if (const auto rows = UndoneReshape(tensor)) {
      SHARDFS_ASSIGN_OR_RETURN(Form whole, FormOf(*rows->input));
      return SliceForm(std::move(whole), 0, rows->begin, rows->count);
    }
  }
  SHARDFS_ASSIGN_OR_RETURN(Form input, FormOf(*tensor.inputs().front()));
  switch (tensor.op()) {
    case TensorOp::kSlice:
      return SliceForm(std::move(input), tensor.axis(), tensor.begin(), tensor.shape()[tensor.axis()]);
    case TensorOp::kReshape:
      return ReshapeForm(std::move(input), tensor.shape());
    case TensorOp::kPermute:
      return PermuteForm(std::move(input), tensor.indices());
    default:  // kRowGather
      return RowGatherForm(std::move(input), tensor.axis(), tensor.indices());
  }
}

// Whether the axes in front of `axis` are all of size 1, so that places of it follow each other in row-major order.
bool IsOutermost(const Shape& shape, std::uint64_t axis) {
  for (std::uint64_t a = 0; a < axis; ++a) {
    if (shape[a] != 1) return false;
  }
  return true;
}

// Row-major order makes a reshape, a concatenation along the outermost axis and a slice of whole rows of a source a
// matter of byte ranges alone. Most of a checkpoint is these, and for them this is many times faster than a Form.
// Output bytes [skip, skip + size) of `tensor`; false when it is not of that kind (nothing was appended then).
bool AppendContiguous(const Tensor& tensor, std::uint64_t skip, std::uint64_t size, ReadPlanBuilder* builder) {
  switch (tensor.op()) {
    case TensorOp::kSource:
      builder->AppendCopy(tensor.source(), tensor.begin() + skip, size);
      return true;
    case TensorOp::kZeros:
      builder->AppendZeros(size);
      return true;
    case TensorOp::kReshape:
      return AppendContiguous(*tensor.inputs().front(), skip, size, builder);
    case TensorOp::kSlice: {
      const Tensor& input = *tensor.inputs().front();
      if (tensor.elements() == 0 || !IsOutermost(input.shape(), tensor.axis())) return false;
      const std::uint64_t row = input.bytes() / input.shape()[tensor.axis()];
      return AppendContiguous(input, tensor.begin() * row + skip, size, builder);
    }
    default:
      return false;
  }
}

// Says whether the tensor is an operation, perhaps under other shapes, that may join others of its kind.
bool IsJoinable(const Tensor& tensor) {
  const Tensor* node = &tensor;
  while (node->op() == TensorOp::kReshape) node = node->inputs().front().get();
  return node->op() == TensorOp::kOperation && node->operation()->IsJoinable();
}

Status AppendTensor(const Tensor& tensor, ReadPlanBuilder* builder);

// An operation above plans that need no Form of their own: a conversion of stacked experts, say.
Status AppendOperation(const Tensor& tensor, ReadPlanBuilder* builder) {
  std::vector<ReadPlan> plans;
  std::vector<Shape> shapes;
  for (const TensorPtr& input : tensor.inputs()) {
    ReadPlanBuilder operand;
    SHARDFS_RETURN_IF_ERROR(AppendTensor(*input, &operand));
    plans.push_back(std::move(operand).Build());
    shapes.push_back(input->shape());
  }
  builder->AppendCompute(tensor.operation()->MakeKernel(std::move(plans), shapes));
  return Status::Ok();
}

Status AppendTensor(const Tensor& tensor, ReadPlanBuilder* builder) {
  if (AppendContiguous(tensor, 0, tensor.bytes(), builder)) return Status::Ok();
  if (tensor.op() == TensorOp::kReshape) return AppendTensor(*tensor.inputs().front(), builder);
  if (tensor.op() == TensorOp::kOperation && tensor.elements() != 0) return AppendOperation(tensor, builder);
  if (tensor.op() == TensorOp::kConcat && tensor.elements() != 0 && IsOutermost(tensor.shape(), tensor.axis())) {
    const bool may_join = std::any_of(tensor.inputs().begin(), tensor.inputs().end(),
                                      [](const TensorPtr& input) { return IsJoinable(*input); });
    if (!may_join) {  // else ConcatForm puts one operation above all of them
      for (const TensorPtr& input : tensor.inputs()) SHARDFS_RETURN_IF_ERROR(AppendTensor(*input, builder));
      return Status::Ok();
    }
  }
  SHARDFS_ASSIGN_OR_RETURN(const Form form, FormOf(tensor));
  return AppendForm(form, builder);
}

}  // namespace

Result<ReadPlan> LowerToPlan(const TensorPtr& tensor) {
  ReadPlanBuilder builder;
  SHARDFS_RETURN_IF_ERROR(AppendTensor(*tensor, &builder));
  return std::move(builder).Build();
}

}  // namespace shardfs
