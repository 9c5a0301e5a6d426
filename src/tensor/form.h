// Form: a tensor expression in normal form, on its way to a plan. Data movement is pushed down to the sources, so that
// what is left above them is only concatenation and arithmetic:
//
//   View    a StridedView
//   Zeros   all bits zero
//   Concat  forms one behind the other along an axis
//   Map     an element-by-element operation on one or two forms of one shape
//
// What cannot be pushed (a reshape through listed rows, a gather across concatenated inputs in disorder) becomes a View
// over the plan of what is below it: always right, only slower.
//
// Forms are values, built and dropped while one tensor is lowered. Not shared among threads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/tensor.h"
#include "tensor/elementwise_kernels.h"
#include "tensor/strided_view.h"

namespace shardfs {

struct Form {
  enum class Kind : std::uint8_t { kView, kZeros, kConcat, kMap };

  Kind kind = Kind::kZeros;
  Dtype dtype = Dtype::kF32;
  Shape shape;                                // without elements only for kZeros
  std::optional<StridedView> view;            // kView
  std::uint64_t axis = 0;                     // kConcat
  std::vector<Form> inputs;                   // kConcat: two or more; kMap: as many as the kernel takes
  const ElementwiseKernel* kernel = nullptr;  // kMap
};

Form ViewForm(StridedView view, Dtype dtype, Shape shape);
Form ZerosForm(Dtype dtype, Shape shape);
Form ConcatForm(std::vector<Form> inputs, std::uint64_t axis);  // at least one input
Form MapForm(std::vector<Form> inputs, const ElementwiseKernel* kernel);

Result<Form> SliceForm(Form input, std::uint64_t axis, std::uint64_t begin, std::uint64_t count);
Result<Form> PermuteForm(Form input, std::span<const std::uint64_t> axes);
Result<Form> RowGatherForm(Form input, std::uint64_t axis, std::span<const std::uint64_t> rows);
Result<Form> ReshapeForm(Form input, const Shape& shape);
Result<Form> SubtractMinForm(const Form& input);
Result<Form> ObserveForm(const Form& input, std::shared_ptr<const ReadObserver> observer);
Form LiteralForm(std::string bytes, Dtype dtype, const Shape& shape);

// Appends the form's bytes, row-major. kNotSupported when a pattern has more nested dims than a plan holds.
Status AppendForm(const Form& form, ReadPlanBuilder* builder);

}  // namespace shardfs
