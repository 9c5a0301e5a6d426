#include "view/lazy_tensor_file.h"

#include <fmt/format.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "view/explained_file.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMostOfABlock = std::uint64_t{4} << 20;  // bytes; what materialize writes at a time

class LazyTensorFile final : public VirtualFile, public ExplainedFile {
 public:
  LazyTensorFile(FileKind kind, std::uint64_t size, std::size_t tensors, FileSources sources, FileMaker make)
      : kind_(kind), size_(size), tensor_count_(tensors), sources_(std::move(sources)), make_(std::move(make)) {}

  FileKind kind() const override { return kind_; }
  std::uint64_t size() const override { return size_; }
  std::size_t tensor_count() const override { return tensor_count_; }

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    SHARDFS_RETURN_IF_ERROR(Prepare());
    return file_->ReadAt(offset, destination);
  }

  // Those that ask for the whole file before it is read want to know its sources, as a mount does of each file. A file
  // of one block is asked for as a whole by those that read it, too, and what they read ahead must be its ranges.
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override {
    if (offset == 0 && size >= size_ && size_ > kMostOfABlock && !is_made_.load(std::memory_order_acquire)) {
      for (const ByteSource* const source : *sources_) visit({source, 0, source->size()});
    } else if (Prepare().ok()) {
      file_->VisitSources(offset, size, visit);
    }
  }

  Status VisitSegments(std::uint64_t offset, std::uint64_t size, const SegmentVisitor& visit) const override {
    SHARDFS_RETURN_IF_ERROR(Prepare());
    return shardfs::VisitSegments(*file_, offset, size, visit);
  }

  std::span<const FileTensor> tensors() const override {
    return Prepare().ok() ? file_->tensors() : std::span<const FileTensor>();
  }

 private:
  Result<std::unique_ptr<const VirtualFile>> Make() const {
    SHARDFS_ASSIGN_OR_RETURN(auto file, make_());
    if (file->size() == size_) return file;
    return Status::Corruption(fmt::format("a file of {} bytes was to have {}", file->size(), size_));
  }

  Status Prepare() const {
    std::call_once(once_, [this] {
      auto made = Make();
      if (made.ok()) file_ = std::move(made).value();
      status_ = made.status();
      is_made_.store(made.ok(), std::memory_order_release);
    });
    return status_;
  }

  const FileKind kind_;
  const std::uint64_t size_;
  const std::size_t tensor_count_;
  const FileSources sources_;
  const FileMaker make_;
  mutable std::atomic<bool> is_made_{false};
  mutable std::once_flag once_;
  mutable std::unique_ptr<const VirtualFile> file_;  // once it is made
  mutable Status status_;
};

}  // namespace

Result<std::unique_ptr<const VirtualFile>> MakeLazyTensorFile(const std::vector<NewTensor>& entries,
                                                              const FileMetadata& metadata, FileSources sources,
                                                              FileMaker make) {
  SHARDFS_ASSIGN_OR_RETURN(const SerializedHeader header, SerializeHeader(entries, metadata));
  return MakeLazyFile(FileKind::kTensors, header.file_size, entries.size(), std::move(sources), std::move(make));
}

std::unique_ptr<const VirtualFile> MakeLazyFile(FileKind kind, std::uint64_t size, std::size_t tensors,
                                                FileSources sources, FileMaker make) {
  return std::make_unique<const LazyTensorFile>(kind, size, tensors, std::move(sources), std::move(make));
}

}  // namespace shardfs
