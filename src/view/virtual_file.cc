#include "shardfs/view/virtual_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "shardfs/format/safetensors/header.h"

namespace shardfs {
namespace {

Status CheckRange(std::uint64_t offset, std::uint64_t count, std::uint64_t size) {
  if (offset <= size && count <= size - offset) return Status::Ok();
  return Status::InvalidArgument(fmt::format("bytes [{}, {}+{}) of a file of {} bytes", offset, offset, count, size));
}

class GeneratedFile final : public VirtualFile {
 public:
  explicit GeneratedFile(std::string bytes) : bytes_(std::move(bytes)) {}

  FileKind kind() const override { return FileKind::kGenerated; }
  std::uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    SHARDFS_RETURN_IF_ERROR(CheckRange(offset, destination.size(), bytes_.size()));
    if (!destination.empty()) std::memcpy(destination.data(), bytes_.data() + offset, destination.size());
    return Status::Ok();
  }
  void VisitSources(std::uint64_t, std::uint64_t, const std::function<void(const SourceSpan&)>&) const override {}

 private:
  std::string bytes_;
};

class PassthroughFile final : public VirtualFile {
 public:
  explicit PassthroughFile(std::unique_ptr<const ByteSource> source) : source_(std::move(source)) {}

  FileKind kind() const override { return FileKind::kPassthrough; }
  std::uint64_t size() const override { return source_->size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    SHARDFS_RETURN_IF_ERROR(CheckRange(offset, destination.size(), source_->size()));
    return destination.empty() ? Status::Ok() : source_->ReadAt(offset, destination);
  }
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override {
    if (offset < source_->size()) visit({source_.get(), offset, std::min(size, source_->size() - offset)});
  }

 private:
  std::unique_ptr<const ByteSource> source_;
};

class TensorFile final : public VirtualFile {
 public:
  TensorFile(ReadPlan plan, std::vector<FileTensor> tensors, std::shared_ptr<const void> keep_alive)
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
  std::span<const FileTensor> tensors() const override { return tensors_; }

 private:
  std::shared_ptr<const void> keep_alive_;  // outlives plan_, which borrows sources
  std::vector<FileTensor> tensors_;
  ReadPlan plan_;
};

}  // namespace

std::string_view FileKindName(FileKind kind) {
  switch (kind) {
    case FileKind::kGenerated:
      return "generated";
    case FileKind::kPassthrough:
      return "passthrough";
    case FileKind::kTensors:
      return "tensors";
    case FileKind::kEntries:
      return "entries";
  }
  return "unknown";
}

std::unique_ptr<const VirtualFile> MakeGeneratedFile(std::string bytes) {
  return std::make_unique<const GeneratedFile>(std::move(bytes));
}

std::unique_ptr<const VirtualFile> MakePassthroughFile(std::unique_ptr<const ByteSource> source) {
  return std::make_unique<const PassthroughFile>(std::move(source));
}

Result<std::unique_ptr<const VirtualFile>> MakeTensorFile(std::span<const NamedTensor> tensors,
                                                          std::shared_ptr<const void> keep_alive) {
  std::vector<PlannedTensor> planned;
  planned.reserve(tensors.size());
  for (const NamedTensor& named : tensors) {
    SHARDFS_ASSIGN_OR_RETURN(PlannedTensor tensor, PlanTensor(named.name, named.tensor));
    planned.push_back(std::move(tensor));
  }
  return MakePlannedFile(std::move(planned), std::move(keep_alive));
}

Result<PlannedTensor> PlanTensor(std::string name, const TensorPtr& tensor) {
  Result<ReadPlan> plan = LowerToPlan(tensor);
  if (!plan.ok()) return plan.status().WithContext(name);
  return PlannedTensor{std::move(name), tensor->dtype(), tensor->shape(), std::move(plan).value()};
}

Result<std::unique_ptr<const VirtualFile>> MakePlannedFile(std::vector<PlannedTensor> tensors,
                                                           std::shared_ptr<const void> keep_alive,
                                                           const FileMetadata& metadata) {
  std::vector<NewTensor> entries;
  entries.reserve(tensors.size());
  std::size_t segments = 1;
  for (const PlannedTensor& tensor : tensors) {
    entries.push_back({tensor.name, tensor.dtype, tensor.shape});
    segments += tensor.plan.segments().size();
  }
  SHARDFS_ASSIGN_OR_RETURN(SerializedHeader header, SerializeHeader(entries, metadata));
  ReadPlanBuilder builder;
  builder.Reserve(segments);
  builder.AppendMemory(std::move(header.bytes));
  std::vector<FileTensor> file_tensors;
  file_tensors.reserve(tensors.size());
  for (const std::size_t index : header.order) {
    PlannedTensor& tensor = tensors[index];
    const std::uint64_t begin = builder.size();
    builder.AppendPlan(std::move(tensor.plan));
    file_tensors.push_back({std::move(tensor.name), tensor.dtype, std::move(tensor.shape), begin, builder.size()});
  }
  return std::unique_ptr<const VirtualFile>(
      std::make_unique<const TensorFile>(std::move(builder).Build(), std::move(file_tensors), std::move(keep_alive)));
}

}  // namespace shardfs
