#include "view/headed_file.h"

#include <utility>

#include "view/explained_file.h"

namespace shardfs {
namespace {

class HeadedFile final : public VirtualFile, public ExplainedFile {
 public:
  HeadedFile(ReadPlan plan, std::vector<FileTensor> tensors, std::shared_ptr<const void> keep_alive)
      : keep_alive_(std::move(keep_alive)), tensors_(std::move(tensors)), plan_(std::move(plan)) {}

  FileKind kind() const override { return FileKind::kTensors; }
  std::uint64_t size() const override { return plan_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    return plan_.ReadAt(offset, destination);
  }
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override {
    plan_.VisitSources(offset, size, visit);
  }
  Status VisitSegments(std::uint64_t offset, std::uint64_t size, const SegmentVisitor& visit) const override {
    VisitPlanSegments(plan_, offset, offset, size, visit);
    return Status::Ok();
  }
  std::span<const FileTensor> tensors() const override { return tensors_; }

 private:
  std::shared_ptr<const void> keep_alive_;  // outlives plan_, which borrows sources
  std::vector<FileTensor> tensors_;
  ReadPlan plan_;
};

}  // namespace

std::unique_ptr<const VirtualFile> MakeHeadedFile(ReadPlan header, std::vector<PlannedTensor> tensors,
                                                  std::shared_ptr<const void> keep_alive) {
  std::size_t segments = header.segments().size();
  for (const PlannedTensor& tensor : tensors) segments += tensor.plan.segments().size();
  ReadPlanBuilder builder;
  builder.Reserve(segments);
  builder.AppendPlan(std::move(header));
  std::vector<FileTensor> file_tensors;
  file_tensors.reserve(tensors.size());
  for (PlannedTensor& tensor : tensors) {
    const std::uint64_t begin = builder.size();
    builder.AppendPlan(std::move(tensor.plan));
    file_tensors.push_back({std::move(tensor.name), tensor.dtype, std::move(tensor.shape), begin, builder.size()});
  }
  return std::make_unique<const HeadedFile>(std::move(builder).Build(), std::move(file_tensors), std::move(keep_alive));
}

}  // namespace shardfs
