// Every element depends on all of the input, so no movement is pushed below it. The minimum takes a read of the whole
// input; the kernel keeps it in an atomic, and threads that find it at once store the same value.
#include "tensor/ops/subtract_min.h"

#include <fmt/format.h>

#include <atomic>
#include <cmath>

#include "tensor/operation.h"
#include "tensor/ops/float_blocks.h"
#include "tensor/ops/produce_elements.h"

namespace shardfs::ops {
namespace {

float LoadFloat(const std::byte* at, Dtype dtype) {
  if (dtype == Dtype::kF32) return LoadValue<Dtype::kF32>(at, 0);
  return dtype == Dtype::kF16 ? LoadValue<Dtype::kF16>(at, 0) : LoadValue<Dtype::kBF16>(at, 0);
}

void StoreFloat(float value, Dtype dtype, std::byte* at) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (dtype == Dtype::kF32) return StoreElement(at, 0, bits);
  StoreElement(at, 0, dtype == Dtype::kF16 ? F32ToF16(bits) : F32ToBF16(bits));
}

class SubtractMinKernel final : public ComputeKernel {
 public:
  SubtractMinKernel(ReadPlan input, Dtype dtype)
      : input_(std::move(input)), dtype_(dtype), element_bytes_(DtypeBytes(dtype)) {}

  std::string_view name() const override { return "difference from the minimum"; }
  std::vector<const ReadPlan*> inputs() const override { return {&input_}; }
  std::uint64_t size() const override { return input_.size(); }

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    float minimum = 0;
    SHARDFS_RETURN_IF_ERROR(FindMinimum(&minimum));
    std::array<std::byte, kStagingBytes> block;
    return ProduceElements(offset, destination, element_bytes_, kStagingBytes / element_bytes_,
                           [&](std::uint64_t element, std::uint64_t elements, std::byte* output) {
                             const auto input = std::span(block).first(elements * element_bytes_);
                             SHARDFS_RETURN_IF_ERROR(input_.ReadAt(element * element_bytes_, input));
                             for (std::uint64_t at = 0; at < input.size(); at += element_bytes_) {
                               StoreFloat(LoadFloat(input.data() + at, dtype_) - minimum, dtype_, output + at);
                             }
                             return Status::Ok();
                           });
  }

  void VisitSources(std::uint64_t, std::uint64_t, const std::function<void(const SourceSpan&)>& visit) const override {
    input_.VisitSources(0, input_.size(), visit);
  }

 private:
  Status FindMinimum(float* minimum) const {
    constexpr std::uint64_t kKnown = std::uint64_t{1} << 32;
    if (const std::uint64_t known = minimum_.load(std::memory_order_relaxed); known != 0) {
      *minimum = std::bit_cast<float>(static_cast<std::uint32_t>(known));
      return Status::Ok();
    }
    std::array<std::byte, kStagingBytes> block;
    bool first = true;
    for (std::uint64_t offset = 0; offset < input_.size(); offset += kStagingBytes) {
      const auto part = std::span(block).first(std::min<std::uint64_t>(kStagingBytes, input_.size() - offset));
      SHARDFS_RETURN_IF_ERROR(input_.ReadAt(offset, part));
      for (std::size_t at = 0; at < part.size(); at += element_bytes_) {
        const float value = LoadFloat(part.data() + at, dtype_);
        if (first || value < *minimum || (std::isnan(value) && !std::isnan(*minimum))) *minimum = value;
        first = false;
      }
    }
    minimum_.store(kKnown | std::bit_cast<std::uint32_t>(*minimum), std::memory_order_relaxed);
    return Status::Ok();
  }

  ReadPlan input_;
  Dtype dtype_;
  std::uint64_t element_bytes_;
  // Bit 32 set: the low 32 bits are the minimum as F32.
  mutable std::atomic<std::uint64_t> minimum_{0};
};

class MinSubtraction final : public Operation {
 public:
  explicit MinSubtraction(Dtype dtype) : dtype_(dtype) {}

  std::string_view name() const override { return "minimum"; }

  Result<Output> Infer(std::span<const TensorPtr> inputs) const override {
    const Tensor& input = *inputs[0];
    if (!IsFloat(input.dtype())) {
      return Status::NotSupported(fmt::format("the minimum of a tensor of {}", DescribeTensor(input)));
    }
    if (input.elements() == 0) {
      return Status::InvalidArgument(fmt::format("the minimum of an empty tensor ({})", DescribeTensor(input)));
    }
    return Output{input.dtype(), input.shape()};
  }

  std::shared_ptr<const ComputeKernel> MakeKernel(std::vector<ReadPlan> inputs, std::span<const Shape>) const override {
    return std::make_shared<const SubtractMinKernel>(std::move(inputs[0]), dtype_);
  }

 private:
  Dtype dtype_;
};

}  // namespace

Result<TensorPtr> SubtractMin(TensorPtr input) {
  const Dtype dtype = input->dtype();
  return Tensor::Apply(std::make_shared<const MinSubtraction>(dtype), {std::move(input)});
}

}  // namespace shardfs::ops
