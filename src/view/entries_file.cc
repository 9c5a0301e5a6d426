// A read finds its first piece by binary search and goes on from piece to piece: the piece's text out of memory, its
// bytes out of the tensor's plan.
#include "view/entries_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "view/explained_file.h"

namespace shardfs {
namespace {

class EntriesFile final : public VirtualFile, public ExplainedFile {
 public:
  EntriesFile(CkptPieces pieces, std::vector<FileTensor> tensors, std::vector<ReadPlan> plans,
              std::shared_ptr<const void> keep_alive)
      : keep_alive_(std::move(keep_alive)),
        pieces_(std::move(pieces)),
        tensors_(std::move(tensors)),
        plans_(std::move(plans)) {}

  FileKind kind() const override { return FileKind::kEntries; }
  std::uint64_t size() const override { return pieces_.file_size; }
  std::span<const FileTensor> tensors() const override { return tensors_; }

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    if (offset > size() || destination.size() > size() - offset) {
      return Status::InvalidArgument(
          fmt::format("bytes [{}, {}+{}) of a file of {} bytes", offset, offset, destination.size(), size()));
    }
    if (destination.empty()) return Status::Ok();
    for (auto piece = PieceAt(offset); !destination.empty(); ++piece) {
      std::uint64_t skip = offset - piece->offset;
      std::uint64_t bytes = 0;
      if (skip < piece->text_size) {
        bytes = std::min<std::uint64_t>(piece->text_size - skip, destination.size());
        std::memcpy(destination.data(), pieces_.text.data() + piece->text_begin + skip, bytes);
        skip += bytes;
      }
      const auto content = destination.subspan(bytes);
      const std::uint64_t within = skip - std::min<std::uint64_t>(skip, piece->text_size);
      const std::uint64_t size = std::min<std::uint64_t>(piece->size - within, content.size());
      if (size != 0) {
        SHARDFS_RETURN_IF_ERROR(plans_[piece->tensor].ReadAt(piece->begin + within, content.first(size)));
      }
      destination = destination.subspan(bytes + size);
      offset += bytes + size;
    }
    return Status::Ok();
  }

  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override {
    if (offset >= this->size() || size == 0) return;
    const std::uint64_t end = offset + std::min(size, this->size() - offset);
    for (auto piece = PieceAt(offset); piece != pieces_.pieces.end() && piece->offset < end; ++piece) {
      const std::uint64_t content = piece->offset + piece->text_size;
      const std::uint64_t from = std::max(offset, content);
      const std::uint64_t to = std::min(end, content + piece->size);
      if (from < to) plans_[piece->tensor].VisitSources(piece->begin + (from - content), to - from, visit);
    }
  }

  Status VisitSegments(std::uint64_t offset, std::uint64_t size, const SegmentVisitor& visit) const override {
    const std::uint64_t end = offset + size;
    for (auto piece = PieceAt(offset); size != 0 && piece != pieces_.pieces.end() && piece->offset < end; ++piece) {
      const std::uint64_t content = piece->offset + piece->text_size;
      const PlanSegment text{
          .begin = piece->offset, .size = piece->text_size, .kind = PlanSegment::Kind::kMemory, .detail = nullptr};
      const std::uint64_t from = std::max(offset, piece->offset);
      if (from < std::min(end, content)) visit({from, std::min(end, content) - from, from - piece->offset, &text});
      const std::uint64_t first = std::max(offset, content);
      const std::uint64_t last = std::min(end, content + piece->size);
      if (first >= last) continue;
      VisitPlanSegments(plans_[piece->tensor], first, piece->begin + (first - content), last - first, visit);
    }
    return Status::Ok();
  }

 private:
  std::vector<CkptPiece>::const_iterator PieceAt(std::uint64_t offset) const {
    const auto behind = std::upper_bound(pieces_.pieces.begin(), pieces_.pieces.end(), offset,
                                         [](std::uint64_t at, const CkptPiece& piece) { return at < piece.offset; });
    return behind - 1;
  }

  std::shared_ptr<const void> keep_alive_;  // outlives plans_, which borrow sources
  CkptPieces pieces_;
  std::vector<FileTensor> tensors_;
  std::vector<ReadPlan> plans_;  // by the tensors' numbers in pieces_
};

}  // namespace

Result<std::unique_ptr<const VirtualFile>> MakeEntriesFile(std::vector<PlannedEntry> entries, std::uint64_t chunk,
                                                           std::shared_ptr<const void> keep_alive) {
  std::vector<NewCkptTensor> tensors;
  tensors.reserve(entries.size());
  for (const PlannedEntry& entry : entries) {
    tensors.push_back({entry.tensor.name, entry.tensor.dtype, entry.tensor.shape, entry.is_int4});
  }
  SHARDFS_ASSIGN_OR_RETURN(CkptPieces pieces, LayOutCkpt(tensors, chunk));
  std::vector<FileTensor> file_tensors;
  for (const CkptPiece& piece : pieces.pieces) {
    const std::uint64_t begin = piece.offset + piece.text_size;
    if (piece.begin == 0) {
      PlannedTensor& tensor = entries[piece.tensor].tensor;
      file_tensors.push_back({std::move(tensor.name), tensor.dtype, std::move(tensor.shape), begin, begin});
    }
    file_tensors.back().end = begin + piece.size;
  }
  std::vector<ReadPlan> plans;
  plans.reserve(entries.size());
  for (PlannedEntry& entry : entries) plans.push_back(std::move(entry.tensor.plan));
  return std::unique_ptr<const VirtualFile>(std::make_unique<const EntriesFile>(
      std::move(pieces), std::move(file_tensors), std::move(plans), std::move(keep_alive)));
}

}  // namespace shardfs
