// ExplainedFile: a file of a view that can say how its bytes come about, for `shardfs explain`. Reads need none of it,
// so VirtualFile does not have it.
#pragma once

#include <cstdint>
#include <functional>

#include "shardfs/base/status.h"
#include "shardfs/tensor/read_plan.h"
#include "shardfs/view/virtual_file.h"

namespace shardfs {

// `size` bytes of the file from `at` are bytes [skip, skip + size) of the segment.
struct FileSegment {
  std::uint64_t at = 0;
  std::uint64_t size = 0;
  std::uint64_t skip = 0;
  const PlanSegment* segment = nullptr;  // valid during the visit
};
using SegmentVisitor = std::function<void(const FileSegment&)>;

class ExplainedFile {
 public:
  virtual ~ExplainedFile() = default;

  // The segments of [offset, offset + size), which lies in the file, in its order. Fails where the file cannot be made.
  virtual Status VisitSegments(std::uint64_t offset, std::uint64_t size, const SegmentVisitor& visit) const = 0;
};

// The same of any file of a view: the bytes of one that is no ExplainedFile are a copy of its source, or held in
// memory.
Status VisitSegments(const VirtualFile& file, std::uint64_t offset, std::uint64_t size, const SegmentVisitor& visit);

// The segments of [offset, offset + size) of a plan that begins at byte `at` of a file.
void VisitPlanSegments(const ReadPlan& plan, std::uint64_t at, std::uint64_t offset, std::uint64_t size,
                       const SegmentVisitor& visit);

}  // namespace shardfs
