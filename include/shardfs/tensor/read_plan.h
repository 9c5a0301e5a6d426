// ReadPlan: where each output byte of a tensor (or of a whole file of tensors) comes from, as ordered segments.
//
// Segments: Memory (bytes held by the plan), Zeros, Copy (one contiguous run of one source), Gather (runs of one source
// at strides, or at listed rows) and Compute (a kernel over input plans: casts, interleaving along an inner axis,
// strides over what is itself computed). A segment stands for a whole regular pattern, never for one run of it, so a
// plan is small; neighbouring copies that continue each other are one segment.
//
// Any byte range is served in time proportional to the range, plus a binary search among the segments.
//
// Invariants: immutable; segments cover [0, size()) without hole or overlap.
// Thread-safety: const members from any number of threads, without locks; reading allocates nothing.
// Ownership: borrows the ByteSources of the expressions that it was lowered from; shares everything else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/source/byte_source.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {

struct GatherPattern;  // plan_segments.h
class ComputeKernel;   // plan_segments.h

// A range of one source that a range of output bytes needs (a superset where runs lie at strides).
struct SourceSpan {
  const ByteSource* source = nullptr;
  std::uint64_t offset = 0;  // bytes from the start of the source
  std::uint64_t size = 0;    // bytes
};

struct PlanSegment {
  enum class Kind : std::uint8_t { kMemory, kZeros, kCopy, kGather, kCompute };

  std::uint64_t begin = 0;  // first output byte
  std::uint64_t size = 0;   // output bytes
  Kind kind = Kind::kZeros;
  std::uint64_t offset = 0;  // kCopy: in the source; kMemory: in the bytes; kGather, kCompute: output bytes skipped
  const ByteSource* source = nullptr;  // kCopy
  std::shared_ptr<const void> detail;  // kMemory: std::string; kGather: GatherPattern; kCompute: ComputeKernel
};

class ReadPlan {
 public:
  ReadPlan() = default;  // of no bytes

  std::uint64_t size() const { return size_; }
  std::span<const PlanSegment> segments() const { return segments_; }

  // Fills all of `destination` with output bytes from `offset`; offset + destination.size() must not exceed size().
  // The Status of the first source that fails otherwise; `destination` is then unspecified and must not be used.
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const;

  // Where output bytes [offset, offset + size) lie as they are in one mapped source; nothing when they do not. They may
  // be touched as ByteSource::Mapped() says: under a fault guard, and with CheckUnchanged() behind it.
  struct MappedRange {
    const ByteSource* source = nullptr;
    std::uint64_t offset = 0;  // in the source
    const std::byte* bytes = nullptr;
  };
  std::optional<MappedRange> FindMapped(std::uint64_t offset, std::uint64_t size) const;

  // Calls `visit` for the sources of [offset, offset + size), in output order.
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const;

 private:
  friend class ReadPlanBuilder;

  std::uint64_t size_ = 0;
  std::vector<PlanSegment> segments_;
};

// Puts a plan together, segment behind segment. Not thread-safe.
class ReadPlanBuilder {
 public:
  void AppendMemory(std::string bytes);
  void AppendZeros(std::uint64_t size);
  void AppendCopy(const ByteSource* source, std::uint64_t offset, std::uint64_t size);
  void AppendGather(std::shared_ptr<const GatherPattern> pattern);
  void AppendCompute(std::shared_ptr<const ComputeKernel> kernel);
  void AppendPlan(ReadPlan plan);

  void Reserve(std::size_t segments) { plan_.segments_.reserve(segments); }

  std::uint64_t size() const { return plan_.size_; }
  ReadPlan Build() &&;

 private:
  void Append(PlanSegment segment);
  ReadPlan plan_;
};

// The plan of a tensor's bytes in row-major order. kNotSupported when an expression's pattern has more nested strides
// than a plan can hold (64).
Result<ReadPlan> LowerToPlan(const TensorPtr& tensor);

}  // namespace shardfs
