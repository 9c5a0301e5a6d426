// Movements of forms: each is pushed through what it meets. A view becomes another view, a concatenation moves each of
// its inputs, and an operation says itself what the movement is of its inputs.
#include <algorithm>
#include <functional>

#include "tensor/form.h"

namespace shardfs {
namespace {

// A row gather across concatenated inputs is split where it moves from one to another, unless that happens so often
// that a segment per piece would make the plan large.
constexpr std::size_t kMaxGatherPieces = 32;

// Applies `transform` (Form -> Result<Form>) to each input of a Concat, in place.
template <typename Transform>
Status TransformInputs(Form* form, Transform&& transform) {
  for (Form& input : form->inputs) {
    SHARDFS_ASSIGN_OR_RETURN(input, transform(std::move(input)));
  }
  return Status::Ok();
}

// The movement below the operation, or of the bytes that the operation has computed where it cannot be pushed.
Result<Form> MoveOperation(Form input, const Movement& movement) {
  std::vector<Shape> shapes;
  for (const Form& operand : input.inputs) shapes.push_back(operand.shape);
  auto pushed = input.operation->Push(movement, shapes);
  if (!pushed) {
    SHARDFS_ASSIGN_OR_RETURN(Form opaque, OpaqueForm(input, input.shape));
    return MoveForm(std::move(opaque), movement);
  }
  for (std::size_t i = 0; i < input.inputs.size(); ++i) {
    for (const Movement& step : pushed->inputs[i]) {
      SHARDFS_ASSIGN_OR_RETURN(input.inputs[i], MoveForm(std::move(input.inputs[i]), step));
    }
  }
  if (pushed->operation != nullptr) input.operation = std::move(pushed->operation);
  return OperationForm(std::move(input.inputs), std::move(input.operation), input.dtype, movement.Of(input.shape));
}

// The axis of `shape` along which the concatenated inputs of `form` stay concatenated, if there is one: as many
// elements stand in front of it, and each input fills whole places of it.
std::optional<std::size_t> ConcatAxisUnder(const Form& form, const Shape& shape) {
  const std::uint64_t outer = Product(std::span(form.shape).first(form.axis));
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (Product(std::span(shape).first(a)) != outer) continue;
    const std::uint64_t inner = Product(std::span(shape).subspan(a + 1));
    const bool whole = std::all_of(form.inputs.begin(), form.inputs.end(),
                                   [&](const Form& input) { return Product(input.shape) / outer % inner == 0; });
    if (whole) return a;
  }
  return std::nullopt;
}

Result<Form> RowGatherConcat(Form input, std::uint64_t axis, std::span<const std::uint64_t> rows, Shape shape) {
  if (axis != input.axis) {
    SHARDFS_RETURN_IF_ERROR(
        TransformInputs(&input, [&](Form part) { return RowGatherForm(std::move(part), axis, rows); }));
    input.shape = std::move(shape);
    return input;
  }
  std::vector<std::uint64_t> ends;
  for (const Form& part : input.inputs) ends.push_back((ends.empty() ? 0 : ends.back()) + part.shape[axis]);
  const auto part_of = [&](std::uint64_t row) {
    return static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), row) - ends.begin());
  };
  std::vector<std::pair<std::size_t, std::vector<std::uint64_t>>> pieces;
  for (const std::uint64_t row : rows) {
    const std::size_t part = part_of(row);
    if (pieces.empty() || pieces.back().first != part) pieces.push_back({part, {}});
    pieces.back().second.push_back(row - (ends[part] - input.inputs[part].shape[axis]));
  }
  if (pieces.size() > std::max(kMaxGatherPieces, 2 * input.inputs.size())) {
    SHARDFS_ASSIGN_OR_RETURN(Form opaque, OpaqueForm(input, input.shape));
    return RowGatherForm(std::move(opaque), axis, rows);
  }
  std::vector<Form> parts;
  for (const auto& [part, local_rows] : pieces) {
    SHARDFS_ASSIGN_OR_RETURN(Form form, RowGatherForm(input.inputs[part], axis, local_rows));
    parts.push_back(std::move(form));
  }
  return ConcatForm(std::move(parts), axis);
}

}  // namespace

Result<Form> SliceForm(Form input, std::uint64_t axis, std::uint64_t begin, std::uint64_t count) {
  Shape shape = input.shape;
  shape[axis] = count;
  if (IsEmpty(shape) || input.kind == Form::Kind::kZeros) return ZerosForm(input.dtype, std::move(shape));
  if (input.kind == Form::Kind::kView) {
    std::vector<Form> parts;
    // Each part's size along the axis only matters to ConcatForm's sum; the parts are contiguous in this order.
    std::vector<StridedView> views = input.view->Slice(axis, begin, count);
    if (views.size() == 1) return ViewForm(std::move(views.front()), input.dtype, std::move(shape));
    for (StridedView& view : views) {
      Shape part_shape = shape;
      part_shape[axis] = view.AxisSize(axis);
      parts.push_back(ViewForm(std::move(view), input.dtype, std::move(part_shape)));
    }
    return ConcatForm(std::move(parts), axis);
  }
  if (input.kind == Form::Kind::kOperation) return MoveOperation(std::move(input), Movement::Slice(axis, begin, count));
  if (axis != input.axis) {
    SHARDFS_RETURN_IF_ERROR(
        TransformInputs(&input, [&](Form part) { return SliceForm(std::move(part), axis, begin, count); }));
    input.shape = std::move(shape);
    return input;
  }
  std::vector<Form> parts;
  std::uint64_t start = 0;
  for (Form& part : input.inputs) {
    const std::uint64_t size = part.shape[axis];
    const std::uint64_t low = std::max(begin, start);
    const std::uint64_t high = std::min(begin + count, start + size);
    if (low < high) {
      SHARDFS_ASSIGN_OR_RETURN(Form sliced, SliceForm(std::move(part), axis, low - start, high - low));
      parts.push_back(std::move(sliced));
    }
    start += size;
  }
  return ConcatForm(std::move(parts), axis);
}

Result<Form> PermuteForm(Form input, std::span<const std::uint64_t> axes) {
  if (input.kind == Form::Kind::kOperation) return MoveOperation(std::move(input), Movement::Permute(axes));
  Shape shape;
  for (const std::uint64_t axis : axes) shape.push_back(input.shape[axis]);
  if (input.kind == Form::Kind::kView) {
    input.view = input.view->Permute(axes);
  } else if (input.kind == Form::Kind::kConcat) {
    SHARDFS_RETURN_IF_ERROR(TransformInputs(&input, [&](Form part) { return PermuteForm(std::move(part), axes); }));
    input.axis = static_cast<std::uint64_t>(std::find(axes.begin(), axes.end(), input.axis) - axes.begin());
  }
  input.shape = std::move(shape);
  return input;
}

Result<Form> RowGatherForm(Form input, std::uint64_t axis, std::span<const std::uint64_t> rows) {
  Shape shape = input.shape;
  shape[axis] = rows.size();
  if (IsEmpty(shape) || input.kind == Form::Kind::kZeros) return ZerosForm(input.dtype, std::move(shape));
  if (input.kind == Form::Kind::kView) {
    return ViewForm(input.view->RowGather(axis, rows), input.dtype, std::move(shape));
  }
  if (input.kind == Form::Kind::kOperation) return MoveOperation(std::move(input), Movement::RowGather(axis, rows));
  return RowGatherConcat(std::move(input), axis, rows, std::move(shape));
}

Result<Form> ReshapeForm(Form input, const Shape& shape) {
  if (input.kind == Form::Kind::kZeros) return ZerosForm(input.dtype, shape);
  if (input.kind == Form::Kind::kView) {
    if (auto view = input.view->Reshape(shape)) return ViewForm(std::move(*view), input.dtype, shape);
    return OpaqueForm(input, shape);
  }
  if (input.kind == Form::Kind::kOperation) return MoveOperation(std::move(input), Movement::Reshape(shape));
  const auto axis = ConcatAxisUnder(input, shape);
  if (!axis) return OpaqueForm(input, shape);
  const std::uint64_t outer = Product(std::span(shape).first(*axis));
  const std::uint64_t inner = Product(std::span(shape).subspan(*axis + 1));
  SHARDFS_RETURN_IF_ERROR(TransformInputs(&input, [&](Form part) {
    Shape part_shape = shape;
    part_shape[*axis] = Product(part.shape) / outer / inner;
    return ReshapeForm(std::move(part), part_shape);
  }));
  input.shape = shape;
  input.axis = *axis;
  return input;
}

Result<Form> MoveForm(Form input, const Movement& movement) {
  switch (movement.kind) {
    case Movement::Kind::kSlice:
      return SliceForm(std::move(input), movement.axis, movement.begin, movement.count);
    case Movement::Kind::kPermute:
      return PermuteForm(std::move(input), movement.indices);
    case Movement::Kind::kRowGather:
      return RowGatherForm(std::move(input), movement.axis, movement.indices);
    case Movement::Kind::kReshape:
      break;
  }
  return ReshapeForm(std::move(input), movement.indices);
}

}  // namespace shardfs
