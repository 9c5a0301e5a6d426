#include "shardfs/view/virtual_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "shardfs/format/safetensors/header.h"
#include "view/headed_file.h"

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
  for (const PlannedTensor& tensor : tensors) entries.push_back({tensor.name, tensor.dtype, tensor.shape});
  SHARDFS_ASSIGN_OR_RETURN(SerializedHeader header, SerializeHeader(entries, metadata));
  ReadPlanBuilder builder;
  builder.AppendMemory(std::move(header.bytes));
  std::vector<PlannedTensor> ordered;
  ordered.reserve(tensors.size());
  for (const std::size_t index : header.order) ordered.push_back(std::move(tensors[index]));
  return MakeHeadedFile(std::move(builder).Build(), std::move(ordered), std::move(keep_alive));
}

}  // namespace shardfs
