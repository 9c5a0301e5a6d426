// Elementwise: an operation on one or two tensors of one shape and dtype, element by element. A file in this folder
// that has such an operation lists what it does to the bits of each dtype, and builds nodes by ApplyElementwise.
//
// Thread-safety: constants and pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/operation.h"

namespace shardfs {

class Elementwise final : public Operation {
 public:
  // Reads `count` elements of each input and writes as many. None of the pointers need be aligned, and the output must
  // not overlap an input. False when the elements do not meet the operation's condition.
  using Function = bool (*)(const std::byte* const* inputs, std::byte* output, std::size_t count);

  // `input` is the dtype of every input.
  constexpr Elementwise(std::string_view name, Dtype input_dtype, Dtype output_dtype, bool keeps_zero, Function compute)
      : name_(name), input_(input_dtype), output_(output_dtype), keeps_zero_(keeps_zero), function_(compute) {}

  std::string_view name() const override { return name_; }
  Result<Output> Infer(std::span<const TensorPtr> inputs) const override;
  bool KeepsZero() const override { return keeps_zero_; }
  std::optional<Pushed> Push(const Movement& movement, std::span<const Shape> shapes) const override;
  bool IsJoinable() const override { return true; }
  bool Joins(const Operation& next, std::uint64_t, std::span<const Shape>) const override { return this == &next; }
  std::shared_ptr<const ComputeKernel> MakeKernel(std::vector<ReadPlan> inputs,
                                                  std::span<const Shape> shapes) const override;

  Dtype input() const { return input_; }
  Dtype output() const { return output_; }
  Function function() const { return function_; }

 private:
  std::string_view name_;
  Dtype input_;
  Dtype output_;
  bool keeps_zero_;
  Function function_;
};

// The node of the operation in `table` from the inputs' dtype to `output`. kNotSupported where the table has none.
// The table lives for the whole program.
Result<TensorPtr> ApplyElementwise(std::span<const Elementwise> table, Dtype output, std::vector<TensorPtr> inputs);

}  // namespace shardfs
