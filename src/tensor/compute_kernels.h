// The kernels of Compute segments. Each owns its input plans; all are immutable (SubtractMinKernel keeps the minimum
// that it has found, atomically) and may be read from any number of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/cast_kernels.h"
#include "shardfs/tensor/read_plan.h"
#include "tensor/elementwise_kernels.h"
#include "tensor/plan_segments.h"

namespace shardfs {

// An element-by-element operation on one or two inputs of as many elements.
class MapElements final : public ComputeKernel {
 public:
  MapElements(std::vector<ReadPlan> inputs, const ElementwiseKernel* kernel);
  std::uint64_t size() const override;
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override;

 private:
  Status ApplyMapped(const ReadPlan::MappedRange& mapped, std::uint64_t first, std::uint64_t elements,
                     std::byte* output) const;
  Status Disagreement(std::uint64_t first, std::uint64_t elements) const;  // names where the elements come from
  Status ApplyStaged(std::uint64_t first, std::uint64_t elements, std::byte* output) const;

  std::vector<ReadPlan> inputs_;
  const ElementwiseKernel* kernel_;
  std::uint64_t from_bytes_;  // per element
  std::uint64_t to_bytes_;
};

// The input as it is, shown to an observer.
class ObserveKernel final : public ComputeKernel {
 public:
  ObserveKernel(ReadPlan input, std::shared_ptr<const ReadObserver> observer);
  std::uint64_t size() const override { return input_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override;

 private:
  ReadPlan input_;
  std::shared_ptr<const ReadObserver> observer_;
};

// Each element minus the smallest of all (Tensor::SubtractMin says how).
class SubtractMinKernel final : public ComputeKernel {
 public:
  // `dtype` is F32, F16 or BF16; `input` is not empty.
  SubtractMinKernel(ReadPlan input, Dtype dtype);
  std::uint64_t size() const override { return input_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  // Every byte depends on all of the input.
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override;

 private:
  Status FindMinimum(float* minimum) const;

  ReadPlan input_;
  Dtype dtype_;
  std::uint64_t element_bytes_;
  // Bit 32 set: the low 32 bits are the minimum as F32. Threads that race store the same value.
  mutable std::atomic<std::uint64_t> minimum_{0};
};

// Round after round, a chunk of each input in turn: what concatenation along an inner axis looks like in bytes.
class Interleave final : public ComputeKernel {
 public:
  struct Part {
    ReadPlan plan;            // `rounds` chunks
    std::uint64_t chunk = 0;  // bytes per round
  };
  Interleave(std::vector<Part> parts, std::uint64_t rounds);
  std::uint64_t size() const override { return rounds_ * period_; }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override;

 private:
  Status ReadByChunks(std::uint64_t offset, std::span<std::byte> destination) const;
  Status ReadRounds(std::uint64_t round, std::uint64_t rounds, std::byte* output) const;

  std::vector<Part> parts_;
  std::vector<std::uint64_t> starts_;  // where each part's chunk begins within a round
  std::uint64_t rounds_;
  std::uint64_t period_ = 0;  // bytes per round
  std::uint64_t largest_chunk_ = 0;
};

// Runs at strides of what is itself a plan: the fall-back for patterns that do not reduce to one source.
class StridedKernel final : public ComputeKernel {
 public:
  // `pattern.source` is null; its offsets are output bytes of `input`.
  StridedKernel(ReadPlan input, GatherPattern pattern);
  std::uint64_t size() const override { return pattern_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override;

 private:
  ReadPlan input_;
  GatherPattern pattern_;
};

}  // namespace shardfs
