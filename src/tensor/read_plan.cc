#include "shardfs/tensor/read_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "tensor/plan_segments.h"

namespace shardfs {
namespace {

Status ReadSegment(const PlanSegment& segment, std::uint64_t skip, std::span<std::byte> destination) {
  const std::uint64_t offset = segment.offset + skip;
  switch (segment.kind) {
    case PlanSegment::Kind::kMemory:
      std::memcpy(destination.data(), static_cast<const std::string*>(segment.detail.get())->data() + offset,
                  destination.size());
      return Status::Ok();
    case PlanSegment::Kind::kZeros:
      std::memset(destination.data(), 0, destination.size());
      return Status::Ok();
    case PlanSegment::Kind::kCopy:
      return segment.source->ReadAt(offset, destination);
    case PlanSegment::Kind::kGather:
      return ReadGather(*static_cast<const GatherPattern*>(segment.detail.get()), offset, destination);
    case PlanSegment::Kind::kCompute:
      return static_cast<const ComputeKernel*>(segment.detail.get())->ReadAt(offset, destination);
  }
  return Status::Ok();
}

void VisitSegment(const PlanSegment& segment, std::uint64_t skip, std::uint64_t size,
                  const std::function<void(const SourceSpan&)>& visit) {
  const std::uint64_t offset = segment.offset + skip;
  if (segment.kind == PlanSegment::Kind::kCopy) {
    visit({segment.source, offset, size});
  } else if (segment.kind == PlanSegment::Kind::kGather) {
    const auto& pattern = *static_cast<const GatherPattern*>(segment.detail.get());
    const auto [first, bytes] = pattern.Bounds(offset, size);
    visit({pattern.source, first, bytes});
  } else if (segment.kind == PlanSegment::Kind::kCompute) {
    static_cast<const ComputeKernel*>(segment.detail.get())->VisitSources(offset, size, visit);
  }
}

// The segment that holds output byte `offset`, which must be below the size of the plan.
std::span<const PlanSegment>::iterator Locate(std::span<const PlanSegment> segments, std::uint64_t offset) {
  const auto behind = std::upper_bound(segments.begin(), segments.end(), offset,
                                       [](std::uint64_t at, const PlanSegment& segment) { return at < segment.begin; });
  return behind - 1;
}

}  // namespace

Status ReadPlan::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  if (offset > size_ || destination.size() > size_ - offset) {
    return Status::InvalidArgument(
        fmt::format("bytes [{}, {}+{}) of a plan of {} bytes", offset, offset, destination.size(), size_));
  }
  if (destination.empty()) return Status::Ok();
  for (auto segment = Locate(segments_, offset); !destination.empty(); ++segment) {
    const std::uint64_t skip = offset - segment->begin;
    const std::uint64_t bytes = std::min<std::uint64_t>(segment->size - skip, destination.size());
    SHARDFS_RETURN_IF_ERROR(ReadSegment(*segment, skip, destination.first(bytes)));
    destination = destination.subspan(bytes);
    offset += bytes;
  }
  return Status::Ok();
}

std::optional<ReadPlan::MappedRange> ReadPlan::FindMapped(std::uint64_t offset, std::uint64_t size) const {
  if (size == 0 || offset >= size_) return std::nullopt;
  const auto segment = Locate(segments_, offset);
  const std::uint64_t skip = offset - segment->begin;
  if (segment->kind != PlanSegment::Kind::kCopy || size > segment->size - skip) return std::nullopt;
  const std::span<const std::byte> mapped = segment->source->Mapped();
  if (mapped.empty()) return std::nullopt;
  const std::uint64_t at = segment->offset + skip;
  return MappedRange{segment->source, at, mapped.data() + at};
}

void ReadPlan::VisitSources(std::uint64_t offset, std::uint64_t size,
                            const std::function<void(const SourceSpan&)>& visit) const {
  if (offset >= size_) return;
  size = std::min(size, size_ - offset);
  if (size == 0) return;
  for (auto segment = Locate(segments_, offset); size > 0; ++segment) {
    const std::uint64_t skip = offset - segment->begin;
    const std::uint64_t bytes = std::min(segment->size - skip, size);
    VisitSegment(*segment, skip, bytes, visit);
    offset += bytes;
    size -= bytes;
  }
}

void ReadPlanBuilder::Append(PlanSegment segment) {
  if (segment.size == 0) return;
  segment.begin = plan_.size_;
  plan_.size_ += segment.size;
  if (!plan_.segments_.empty()) {
    PlanSegment& last = plan_.segments_.back();
    const bool continues_copy = segment.kind == PlanSegment::Kind::kCopy && last.kind == PlanSegment::Kind::kCopy &&
                                last.source == segment.source && last.offset + last.size == segment.offset;
    const bool continues_zeros = segment.kind == PlanSegment::Kind::kZeros && last.kind == PlanSegment::Kind::kZeros;
    if (continues_copy || continues_zeros) {
      last.size += segment.size;
      return;
    }
  }
  plan_.segments_.push_back(std::move(segment));
}

void ReadPlanBuilder::AppendMemory(std::string bytes) {
  PlanSegment segment;
  segment.size = bytes.size();
  segment.kind = PlanSegment::Kind::kMemory;
  segment.detail = std::make_shared<const std::string>(std::move(bytes));
  Append(std::move(segment));
}

void ReadPlanBuilder::AppendZeros(std::uint64_t size) {
  PlanSegment segment;
  segment.size = size;
  segment.kind = PlanSegment::Kind::kZeros;
  Append(std::move(segment));
}

void ReadPlanBuilder::AppendCopy(const ByteSource* source, std::uint64_t offset, std::uint64_t size) {
  PlanSegment segment;
  segment.size = size;
  segment.kind = PlanSegment::Kind::kCopy;
  segment.offset = offset;
  segment.source = source;
  Append(std::move(segment));
}

void ReadPlanBuilder::AppendGather(std::shared_ptr<const GatherPattern> pattern) {
  PlanSegment segment;
  segment.size = pattern->size();
  segment.kind = PlanSegment::Kind::kGather;
  segment.detail = std::move(pattern);
  Append(std::move(segment));
}

void ReadPlanBuilder::AppendCompute(std::shared_ptr<const ComputeKernel> kernel) {
  PlanSegment segment;
  segment.size = kernel->size();
  segment.kind = PlanSegment::Kind::kCompute;
  segment.detail = std::move(kernel);
  Append(std::move(segment));
}

void ReadPlanBuilder::AppendPlan(ReadPlan plan) {
  for (PlanSegment& segment : plan.segments_) Append(std::move(segment));
}

ReadPlan ReadPlanBuilder::Build() && {
  plan_.segments_.shrink_to_fit();
  return std::move(plan_);
}

}  // namespace shardfs
