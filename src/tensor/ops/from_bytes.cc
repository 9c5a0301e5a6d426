// The bytes stay as they are, so the kernel is the plan of the input. No movement is pushed below: the input has no
// axes that a slice of the result could be made of.
#include "tensor/ops/from_bytes.h"

#include <fmt/format.h>

#include "shardfs/base/checked_math.h"
#include "tensor/operation.h"

namespace shardfs::ops {
namespace {

class SameBytes final : public ComputeKernel {
 public:
  explicit SameBytes(ReadPlan input) : input_(std::move(input)) {}

  std::string_view name() const override { return "conversion from bytes"; }
  std::vector<const ReadPlan*> inputs() const override { return {&input_}; }
  std::uint64_t size() const override { return input_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    return input_.ReadAt(offset, destination);
  }
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override {
    input_.VisitSources(offset, size, visit);
  }

 private:
  ReadPlan input_;
};

class ByteConversion final : public Operation {
 public:
  ByteConversion(Dtype dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {}

  std::string_view name() const override { return "conversion from bytes"; }
  bool KeepsZero() const override { return true; }

  Result<Output> Infer(std::span<const TensorPtr> inputs) const override {
    const auto elements = ElementCount(shape_);
    const auto bytes = elements.ok() ? CheckedMul(*elements, DtypeBytes(dtype_)) : std::nullopt;
    if (inputs[0]->dtype() == Dtype::kU8 && bytes && *bytes == inputs[0]->bytes()) return Output{dtype_, shape_};
    return Status::InvalidArgument(
        fmt::format("{} as {} {}", DescribeTensor(*inputs[0]), DtypeName(dtype_), ShapeToString(shape_)));
  }

  std::shared_ptr<const ComputeKernel> MakeKernel(std::vector<ReadPlan> inputs, std::span<const Shape>) const override {
    return std::make_shared<const SameBytes>(std::move(inputs[0]));
  }

 private:
  Dtype dtype_;
  Shape shape_;
};

}  // namespace

Result<TensorPtr> FromBytes(TensorPtr input, Dtype dtype, Shape shape) {
  return Tensor::Apply(std::make_shared<const ByteConversion>(dtype, std::move(shape)), {std::move(input)});
}

}  // namespace shardfs::ops
