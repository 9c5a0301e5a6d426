// A movement is not pushed below it: the observer is to see the tensor that it was given, not a part in another order.
#include "tensor/ops/observe.h"

#include "tensor/operation.h"

namespace shardfs::ops {
namespace {

class ObserveKernel final : public ComputeKernel {
 public:
  ObserveKernel(ReadPlan input, std::shared_ptr<const ReadObserver> observer)
      : input_(std::move(input)), observer_(std::move(observer)) {}

  std::string_view name() const override { return "observation"; }
  std::vector<const ReadPlan*> inputs() const override { return {&input_}; }
  std::uint64_t size() const override { return input_.size(); }

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    SHARDFS_RETURN_IF_ERROR(input_.ReadAt(offset, destination));
    observer_->Observe(offset, destination);
    return Status::Ok();
  }

  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override {
    input_.VisitSources(offset, size, visit);
  }

 private:
  ReadPlan input_;
  std::shared_ptr<const ReadObserver> observer_;
};

class Observation final : public Operation {
 public:
  explicit Observation(std::shared_ptr<const ReadObserver> observer) : observer_(std::move(observer)) {}

  std::string_view name() const override { return "observation"; }

  Result<Output> Infer(std::span<const TensorPtr> inputs) const override {
    return Output{inputs[0]->dtype(), inputs[0]->shape()};
  }

  std::shared_ptr<const ComputeKernel> MakeKernel(std::vector<ReadPlan> inputs, std::span<const Shape>) const override {
    return std::make_shared<const ObserveKernel>(std::move(inputs[0]), observer_);
  }

 private:
  std::shared_ptr<const ReadObserver> observer_;
};

}  // namespace

Result<TensorPtr> Observe(TensorPtr input, std::shared_ptr<const ReadObserver> observer) {
  return Tensor::Apply(std::make_shared<const Observation>(std::move(observer)), {std::move(input)});
}

}  // namespace shardfs::ops
