// An element of the result depends on the elements of the same index alone, so each movement of the result is the same
// movement of every input, and results of one operation join along any axis. The kernel converts straight from a mapped
// source where the only input is one run of it, and through a buffer in the L1 cache otherwise.
#include "tensor/ops/elementwise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "shardfs/source/fault_guard.h"
#include "tensor/ops/produce_elements.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxInputs = 2;
// Elements converted straight from a mapped source at a time: few enough that the guard behind them comes soon.
constexpr std::uint64_t kDirectElements = std::uint64_t{1} << 20;

class ElementwiseKernel final : public ComputeKernel {
 public:
  ElementwiseKernel(std::vector<ReadPlan> inputs, const Elementwise& operation)
      : inputs_(std::move(inputs)),
        function_(operation.function()),
        name_(operation.name()),
        from_bytes_(DtypeBytes(operation.input())),
        to_bytes_(DtypeBytes(operation.output())) {}

  std::string_view name() const override { return name_; }
  std::vector<const ReadPlan*> inputs() const override {
    std::vector<const ReadPlan*> plans;
    for (const ReadPlan& input : inputs_) plans.push_back(&input);
    return plans;
  }
  std::uint64_t size() const override { return inputs_.front().size() / from_bytes_ * to_bytes_; }

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    return ProduceElements(offset, destination, to_bytes_, kDirectElements,
                           [this](std::uint64_t element, std::uint64_t elements, std::byte* output) {
                             const auto mapped = MappedInput(element, elements);
                             if (mapped) return ApplyMapped(*mapped, element, elements, output);
                             return ApplyStaged(element, elements, output);
                           });
  }

  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override {
    const std::uint64_t first = offset / to_bytes_;
    const std::uint64_t last = (offset + size + to_bytes_ - 1) / to_bytes_;
    for (const ReadPlan& input : inputs_) input.VisitSources(first * from_bytes_, (last - first) * from_bytes_, visit);
  }

 private:
  // Where the elements lie as they are in one mapped source, unless they are few.
  std::optional<ReadPlan::MappedRange> MappedInput(std::uint64_t first, std::uint64_t elements) const {
    const std::uint64_t bytes = elements * from_bytes_;
    if (inputs_.size() != 1 || bytes <= kSmallReadBytes) return std::nullopt;
    return inputs_[0].FindMapped(first * from_bytes_, bytes);
  }

  Status ApplyMapped(const ReadPlan::MappedRange& mapped, std::uint64_t first, std::uint64_t elements,
                     std::byte* output) const {
    const std::uint64_t bytes = elements * from_bytes_;
    if (mapped.source->IsCached(mapped.offset, bytes)) mapped.source->Populate(mapped.offset, bytes);
    bool agrees = true;
    const bool whole = WithFaultGuard([&] { agrees = function_(&mapped.bytes, output, elements); });
    SHARDFS_RETURN_IF_ERROR(mapped.source->CheckUnchanged());
    if (!whole) return Status::IoError(fmt::format("{}: a mapped page could not be read", mapped.source->name()));
    return agrees ? Status::Ok() : Disagreement(first, elements);
  }

  Status ApplyStaged(std::uint64_t first, std::uint64_t elements, std::byte* output) const {
    std::array<std::byte, kStagingBytes> block;
    const std::uint64_t share = kStagingBytes / inputs_.size();  // of each input; stacks stay small that way
    while (elements > 0) {
      const std::uint64_t step = std::min<std::uint64_t>(elements, share / from_bytes_);
      std::array<const std::byte*, kMaxInputs> operands{};
      for (std::size_t i = 0; i < inputs_.size(); ++i) {
        const auto operand = std::span(block).subspan(i * share, step * from_bytes_);
        SHARDFS_RETURN_IF_ERROR(inputs_[i].ReadAt(first * from_bytes_, operand));
        operands[i] = operand.data();
      }
      if (!function_(operands.data(), output, step)) return Disagreement(first, step);
      first += step;
      elements -= step;
      output += step * to_bytes_;
    }
    return Status::Ok();
  }

  // Names where the elements come from.
  Status Disagreement(std::uint64_t first, std::uint64_t elements) const {
    std::string places;
    VisitSources(first * to_bytes_, elements * to_bytes_, [&places](const SourceSpan& span) {
      if (!places.empty()) places += " and ";
      places += fmt::format("'{}' at byte {}", span.source->name(), span.offset);
    });
    return Status::Corruption(fmt::format("values of the source that must agree differ: {}", places));
  }

  std::vector<ReadPlan> inputs_;
  Elementwise::Function function_;
  std::string_view name_;
  std::uint64_t from_bytes_;  // per element
  std::uint64_t to_bytes_;
};

}  // namespace

Result<Operation::Output> Elementwise::Infer(std::span<const TensorPtr> inputs) const {
  const Tensor& first = *inputs.front();
  for (const TensorPtr& input : inputs) {
    if (input->dtype() != first.dtype() || input->shape() != first.shape()) {
      return Status::InvalidArgument(
          fmt::format("{} of a tensor of {} and one of {}", name_, DescribeTensor(first), DescribeTensor(*input)));
    }
  }
  return Output{output_, first.shape()};
}

std::optional<Operation::Pushed> Elementwise::Push(const Movement& movement, std::span<const Shape> shapes) const {
  return Pushed{nullptr, std::vector<std::vector<Movement>>(shapes.size(), {movement})};
}

std::shared_ptr<const ComputeKernel> Elementwise::MakeKernel(std::vector<ReadPlan> inputs,
                                                             std::span<const Shape>) const {
  return std::make_shared<const ElementwiseKernel>(std::move(inputs), *this);
}

Result<TensorPtr> ApplyElementwise(std::span<const Elementwise> table, Dtype output, std::vector<TensorPtr> inputs) {
  const Dtype input = inputs.front()->dtype();
  const auto found = std::find_if(table.begin(), table.end(), [&](const Elementwise& operation) {
    return operation.input() == input && operation.output() == output;
  });
  if (found == table.end()) {
    return Status::NotSupported(fmt::format("{} of a tensor of {} to {}", table.front().name(),
                                            DescribeTensor(*inputs.front()), DtypeName(output)));
  }
  // Shares nothing: the table outlives every node.
  const std::shared_ptr<const Operation> operation(std::shared_ptr<void>(), &*found);
  return Tensor::Apply(operation, std::move(inputs));
}

}  // namespace shardfs
