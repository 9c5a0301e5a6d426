#include "tensor/form.h"

#include <algorithm>
#include <numeric>

#include "tensor/compute_kernels.h"

namespace shardfs {
namespace {

// A row gather across concatenated inputs is split where it moves from one to another, unless that happens so often
// that a segment per piece would make the plan large.
constexpr std::size_t kMaxGatherPieces = 32;

std::uint64_t Product(std::span<const std::uint64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{1}, std::multiplies<>());
}

bool IsEmpty(const Shape& shape) { return std::find(shape.begin(), shape.end(), 0) != shape.end(); }

Form NewForm(Form::Kind kind, Dtype dtype, Shape shape) {
  Form form;
  form.kind = kind;
  form.dtype = dtype;
  form.shape = std::move(shape);
  return form;
}

Result<ReadPlan> PlanOf(const Form& form) {
  ReadPlanBuilder builder;
  SHARDFS_RETURN_IF_ERROR(AppendForm(form, &builder));
  return std::move(builder).Build();
}

// The form as a view over its own plan, under another shape of as many elements.
Result<Form> OpaqueForm(const Form& form, const Shape& shape) {
  SHARDFS_ASSIGN_OR_RETURN(ReadPlan plan, PlanOf(form));
  auto shared = std::make_shared<const ReadPlan>(std::move(plan));
  return ViewForm(StridedView::OverPlan(std::move(shared), DtypeBytes(form.dtype), shape), form.dtype, shape);
}

// Applies `transform` (Form -> Result<Form>) to each input of a Concat, in place.
template <typename Transform>
Status TransformInputs(Form* form, Transform&& transform) {
  for (Form& input : form->inputs) {
    SHARDFS_ASSIGN_OR_RETURN(input, transform(std::move(input)));
  }
  return Status::Ok();
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

Status AppendConcat(const Form& form, ReadPlanBuilder* builder) {
  const std::uint64_t rounds = Product(std::span(form.shape).first(form.axis));
  if (rounds == 1) {
    for (const Form& input : form.inputs) SHARDFS_RETURN_IF_ERROR(AppendForm(input, builder));
    return Status::Ok();
  }
  std::vector<Interleave::Part> parts;
  for (const Form& input : form.inputs) {
    SHARDFS_ASSIGN_OR_RETURN(ReadPlan plan, PlanOf(input));
    const std::uint64_t chunk = plan.size() / rounds;
    parts.push_back({std::move(plan), chunk});
  }
  builder->AppendCompute(std::make_shared<const Interleave>(std::move(parts), rounds));
  return Status::Ok();
}

}  // namespace

Form ViewForm(StridedView view, Dtype dtype, Shape shape) {
  Form form = NewForm(Form::Kind::kView, dtype, std::move(shape));
  form.view = std::move(view);
  return form;
}

Form ZerosForm(Dtype dtype, Shape shape) { return NewForm(Form::Kind::kZeros, dtype, std::move(shape)); }

Form ConcatForm(std::vector<Form> inputs, std::uint64_t axis) {
  Form form = NewForm(Form::Kind::kConcat, inputs.front().dtype, inputs.front().shape);
  form.axis = axis;
  form.shape[axis] = 0;
  for (Form& input : inputs) {
    form.shape[axis] += input.shape[axis];
    if (IsEmpty(input.shape)) continue;
    if (input.kind == Form::Kind::kConcat && input.axis == axis) {
      std::move(input.inputs.begin(), input.inputs.end(), std::back_inserter(form.inputs));
    } else {
      form.inputs.push_back(std::move(input));
    }
  }
  if (form.inputs.empty()) return ZerosForm(form.dtype, std::move(form.shape));
  if (form.inputs.size() == 1) return std::move(form.inputs.front());
  // One operation above many inputs, not one above each: a segment per tensor, not per expert.
  const Form& first = form.inputs.front();
  const bool same_map = std::all_of(form.inputs.begin(), form.inputs.end(), [&](const Form& input) {
    return input.kind == Form::Kind::kMap && input.kernel == first.kernel;
  });
  if (!same_map) return form;
  const ElementwiseKernel* const kernel = first.kernel;
  std::vector<Form> operands;
  for (std::size_t operand = 0; operand < first.inputs.size(); ++operand) {
    std::vector<Form> parts;
    for (Form& input : form.inputs) parts.push_back(std::move(input.inputs[operand]));
    operands.push_back(ConcatForm(std::move(parts), axis));
  }
  return MapForm(std::move(operands), kernel);
}

Form MapForm(std::vector<Form> inputs, const ElementwiseKernel* kernel) {
  const bool all_zero =
      std::all_of(inputs.begin(), inputs.end(), [](const Form& input) { return input.kind == Form::Kind::kZeros; });
  if (all_zero && (kernel->keeps_zero || IsEmpty(inputs.front().shape))) {
    return ZerosForm(kernel->output, std::move(inputs.front().shape));
  }
  Form form = NewForm(Form::Kind::kMap, kernel->output, inputs.front().shape);
  form.inputs = std::move(inputs);
  form.kernel = kernel;
  return form;
}

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
  if (input.kind == Form::Kind::kMap) {
    SHARDFS_RETURN_IF_ERROR(
        TransformInputs(&input, [&](Form operand) { return SliceForm(std::move(operand), axis, begin, count); }));
    return MapForm(std::move(input.inputs), input.kernel);
  }
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
  Shape shape;
  for (const std::uint64_t axis : axes) shape.push_back(input.shape[axis]);
  if (input.kind == Form::Kind::kView) {
    input.view = input.view->Permute(axes);
  } else if (input.kind != Form::Kind::kZeros) {
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
  if (input.kind == Form::Kind::kMap) {
    SHARDFS_RETURN_IF_ERROR(
        TransformInputs(&input, [&](Form operand) { return RowGatherForm(std::move(operand), axis, rows); }));
    return MapForm(std::move(input.inputs), input.kernel);
  }
  return RowGatherConcat(std::move(input), axis, rows, std::move(shape));
}

Result<Form> ReshapeForm(Form input, const Shape& shape) {
  if (input.kind == Form::Kind::kZeros) return ZerosForm(input.dtype, shape);
  if (input.kind == Form::Kind::kView) {
    if (auto view = input.view->Reshape(shape)) return ViewForm(std::move(*view), input.dtype, shape);
    return OpaqueForm(input, shape);
  }
  if (input.kind == Form::Kind::kMap) {
    SHARDFS_RETURN_IF_ERROR(
        TransformInputs(&input, [&](Form operand) { return ReshapeForm(std::move(operand), shape); }));
    return MapForm(std::move(input.inputs), input.kernel);
  }
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

Result<Form> SubtractMinForm(const Form& input) {
  SHARDFS_ASSIGN_OR_RETURN(ReadPlan plan, PlanOf(input));
  ReadPlanBuilder builder;
  builder.AppendCompute(std::make_shared<const SubtractMinKernel>(std::move(plan), input.dtype));
  auto shared = std::make_shared<const ReadPlan>(std::move(builder).Build());
  return ViewForm(StridedView::OverPlan(std::move(shared), DtypeBytes(input.dtype), input.shape), input.dtype,
                  input.shape);
}

Result<Form> ObserveForm(const Form& input, std::shared_ptr<const ReadObserver> observer) {
  SHARDFS_ASSIGN_OR_RETURN(ReadPlan plan, PlanOf(input));
  ReadPlanBuilder builder;
  builder.AppendCompute(std::make_shared<const ObserveKernel>(std::move(plan), std::move(observer)));
  auto shared = std::make_shared<const ReadPlan>(std::move(builder).Build());
  return ViewForm(StridedView::OverPlan(std::move(shared), DtypeBytes(input.dtype), input.shape), input.dtype,
                  input.shape);
}

Form LiteralForm(std::string bytes, Dtype dtype, const Shape& shape) {
  ReadPlanBuilder builder;
  builder.AppendMemory(std::move(bytes));
  auto shared = std::make_shared<const ReadPlan>(std::move(builder).Build());
  return ViewForm(StridedView::OverPlan(std::move(shared), DtypeBytes(dtype), shape), dtype, shape);
}

Status AppendForm(const Form& form, ReadPlanBuilder* builder) {
  switch (form.kind) {
    case Form::Kind::kZeros:
      builder->AppendZeros(Product(form.shape) * DtypeBytes(form.dtype));
      return Status::Ok();
    case Form::Kind::kView:
      if (form.view->AppendTo(builder)) return Status::Ok();
      return Status::NotSupported("a tensor expression has more nested strides than a plan holds");
    case Form::Kind::kConcat:
      return AppendConcat(form, builder);
    case Form::Kind::kMap: {
      std::vector<ReadPlan> plans;
      for (const Form& input : form.inputs) {
        SHARDFS_ASSIGN_OR_RETURN(ReadPlan plan, PlanOf(input));
        plans.push_back(std::move(plan));
      }
      builder->AppendCompute(std::make_shared<const MapElements>(std::move(plans), form.kernel));
      return Status::Ok();
    }
  }
  return Status::Ok();
}

}  // namespace shardfs
