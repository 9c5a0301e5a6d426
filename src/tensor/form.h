// Form: a tensor expression in normal form, on its way to a plan. Data movement is pushed down to the sources, so that
// what is left above them is only concatenation and arithmetic:
//
//   View       a StridedView
//   Zeros      all bits zero
//   Concat     forms one behind the other along an axis
//   Operation  what an Operation computes from forms
//
// What cannot be pushed (a reshape through listed rows, a gather across concatenated inputs in disorder, a movement of
// an operation that needs its whole input) becomes a View over the plan of what is below it: always right, only slower.
//
// Forms are values, built and dropped while one tensor is lowered. Not shared among threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/tensor.h"
#include "tensor/operation.h"
#include "tensor/strided_view.h"

namespace shardfs {

inline std::uint64_t Product(std::span<const std::uint64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{1}, std::multiplies<>());
}

inline bool IsEmpty(const Shape& shape) { return std::find(shape.begin(), shape.end(), 0) != shape.end(); }

struct Form {
  enum class Kind : std::uint8_t { kView, kZeros, kConcat, kOperation };

  Kind kind = Kind::kZeros;
  Dtype dtype = Dtype::kF32;
  Shape shape;                                 // without elements only for kZeros
  std::optional<StridedView> view;             // kView
  std::uint64_t axis = 0;                      // kConcat
  std::vector<Form> inputs;                    // kConcat: two or more; kOperation: as many as it takes
  std::shared_ptr<const Operation> operation;  // kOperation
};

Form ViewForm(StridedView view, Dtype dtype, Shape shape);
Form ZerosForm(Dtype dtype, Shape shape);
Form ConcatForm(std::vector<Form> inputs, std::uint64_t axis);  // at least one input
Form OperationForm(std::vector<Form> inputs, std::shared_ptr<const Operation> operation, Dtype dtype, Shape shape);

Result<Form> SliceForm(Form input, std::uint64_t axis, std::uint64_t begin, std::uint64_t count);
Result<Form> PermuteForm(Form input, std::span<const std::uint64_t> axes);
Result<Form> RowGatherForm(Form input, std::uint64_t axis, std::span<const std::uint64_t> rows);
Result<Form> ReshapeForm(Form input, const Shape& shape);
Result<Form> MoveForm(Form input, const Movement& movement);  // one of the four above

// The form as a view over its own plan, under another shape of as many elements.
Result<Form> OpaqueForm(const Form& form, const Shape& shape);

Form LiteralForm(std::string bytes, Dtype dtype, const Shape& shape);

// Appends the form's bytes, row-major. kNotSupported when a pattern has more nested dims than a plan holds.
Status AppendForm(const Form& form, ReadPlanBuilder* builder);

}  // namespace shardfs
