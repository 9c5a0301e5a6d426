#include "tensor/form.h"

#include <algorithm>

#include "tensor/compute_kernels.h"

namespace shardfs {
namespace {

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

std::vector<Shape> ShapesOf(const std::vector<Form>& forms) {
  std::vector<Shape> shapes;
  for (const Form& form : forms) shapes.push_back(form.shape);
  return shapes;
}

// Makes one operation above many concatenated inputs of operations that join: a segment for a stack of experts, not one
// for each.
void JoinOperations(Form* form) {
  const Form& first = form->inputs.front();
  for (std::size_t i = 0; i < form->inputs.size(); ++i) {
    const Form& input = form->inputs[i];
    if (input.kind != Form::Kind::kOperation || input.inputs.size() != first.inputs.size()) return;
    if (i + 1 == form->inputs.size()) break;
    const Form& next = form->inputs[i + 1];
    if (next.kind != Form::Kind::kOperation) return;
    if (!input.operation->Joins(*next.operation, form->axis, ShapesOf(input.inputs))) return;
  }
  std::shared_ptr<const Operation> operation = first.operation;
  std::vector<Form> operands;
  for (std::size_t operand = 0; operand < first.inputs.size(); ++operand) {
    std::vector<Form> parts;
    for (Form& input : form->inputs) parts.push_back(std::move(input.inputs[operand]));
    operands.push_back(ConcatForm(std::move(parts), form->axis));
  }
  *form = OperationForm(std::move(operands), std::move(operation), form->dtype, std::move(form->shape));
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
  JoinOperations(&form);
  return form;
}

Form OperationForm(std::vector<Form> inputs, std::shared_ptr<const Operation> operation, Dtype dtype, Shape shape) {
  const bool all_zero =
      std::all_of(inputs.begin(), inputs.end(), [](const Form& input) { return input.kind == Form::Kind::kZeros; });
  if (all_zero && (operation->KeepsZero() || IsEmpty(shape))) return ZerosForm(dtype, std::move(shape));
  Form form = NewForm(Form::Kind::kOperation, dtype, std::move(shape));
  form.inputs = std::move(inputs);
  form.operation = std::move(operation);
  return form;
}

Result<Form> OpaqueForm(const Form& form, const Shape& shape) {
  SHARDFS_ASSIGN_OR_RETURN(ReadPlan plan, PlanOf(form));
  auto shared = std::make_shared<const ReadPlan>(std::move(plan));
  return ViewForm(StridedView::OverPlan(std::move(shared), DtypeBytes(form.dtype), shape), form.dtype, shape);
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
    case Form::Kind::kOperation: {
      std::vector<ReadPlan> plans;
      for (const Form& input : form.inputs) {
        SHARDFS_ASSIGN_OR_RETURN(ReadPlan plan, PlanOf(input));
        plans.push_back(std::move(plan));
      }
      builder->AppendCompute(form.operation->MakeKernel(std::move(plans), ShapesOf(form.inputs)));
      return Status::Ok();
    }
  }
  return Status::Ok();
}

}  // namespace shardfs
