#include "view/explained_file.h"

#include <algorithm>

namespace shardfs {

void VisitPlanSegments(const ReadPlan& plan, std::uint64_t at, std::uint64_t offset, std::uint64_t size,
                       const SegmentVisitor& visit) {
  const auto segments = plan.segments();
  const std::uint64_t end = offset + size;
  auto segment = std::upper_bound(segments.begin(), segments.end(), offset,
                                  [](std::uint64_t place, const PlanSegment& one) { return place < one.begin; });
  if (segment != segments.begin()) --segment;
  for (; segment != segments.end() && segment->begin < end; ++segment) {
    const std::uint64_t from = std::max(offset, segment->begin);
    const std::uint64_t to = std::min(end, segment->begin + segment->size);
    if (from < to) visit({at + (from - offset), to - from, from - segment->begin, &*segment});
  }
}

Status VisitSegments(const VirtualFile& file, std::uint64_t offset, std::uint64_t size, const SegmentVisitor& visit) {
  if (const auto* const explained = dynamic_cast<const ExplainedFile*>(&file)) {
    return explained->VisitSegments(offset, size, visit);
  }
  std::uint64_t at = offset;
  file.VisitSources(offset, size, [&](const SourceSpan& span) {
    const PlanSegment copy{.begin = at,
                           .size = span.size,
                           .kind = PlanSegment::Kind::kCopy,
                           .offset = span.offset,
                           .source = span.source,
                           .detail = nullptr};
    visit({at, span.size, 0, &copy});
    at += span.size;
  });
  if (at != offset) return Status::Ok();
  const PlanSegment memory{.begin = offset, .size = size, .kind = PlanSegment::Kind::kMemory, .detail = nullptr};
  visit({offset, size, 0, &memory});
  return Status::Ok();
}

}  // namespace shardfs
