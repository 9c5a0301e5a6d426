// The kernels of movements that no pattern over one source describes. Each owns its input plans; all are immutable and
// may be read from any number of threads. Those of operations stand with them in ops/.
#pragma once

#include <cstdint>
#include <vector>

#include "shardfs/tensor/read_plan.h"
#include "tensor/plan_segments.h"

namespace shardfs {

// Round after round, a chunk of each input in turn: what concatenation along an inner axis looks like in bytes.
class Interleave final : public ComputeKernel {
 public:
  struct Part {
    ReadPlan plan;            // `rounds` chunks
    std::uint64_t chunk = 0;  // bytes per round
  };
  Interleave(std::vector<Part> parts, std::uint64_t rounds);
  std::string_view name() const override { return "concatenation"; }
  std::vector<const ReadPlan*> inputs() const override {
    std::vector<const ReadPlan*> plans;
    for (const Part& part : parts_) plans.push_back(&part.plan);
    return plans;
  }
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
  std::string_view name() const override { return "gather"; }
  std::vector<const ReadPlan*> inputs() const override { return {&input_}; }
  std::uint64_t size() const override { return pattern_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override;

 private:
  ReadPlan input_;
  GatherPattern pattern_;
};

}  // namespace shardfs
