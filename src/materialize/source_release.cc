#include "materialize/source_release.h"

#include <algorithm>
#include <functional>
#include <tuple>

namespace shardfs {
namespace {

void VisitPiece(std::span<const PlannedFile> files, const Piece& piece,
                const std::function<void(const SourceSpan&)>& visit) {
  const VirtualFile& file = *files[piece.file].file;
  file.VisitSources(piece.begin(), PieceBytes(piece, file.size()), [&visit](const SourceSpan& span) {
    if (span.size > 0) visit(span);
  });
}

// A worker that reads the stretch before a dropped one has the kernel read a little further than it needs: what has
// just been written is kept for a while.
constexpr std::uint64_t kKeptBytes = std::uint64_t{128} << 20;

}  // namespace

SourceRelease::SourceRelease(std::span<const PlannedFile> files, std::span<const Piece> pieces) : files_(files) {
  std::vector<Stretch> spans;
  for (const Piece& piece : pieces) {
    VisitPiece(files, piece, [&spans](const SourceSpan& span) {
      spans.push_back({span.source, span.offset, span.offset + span.size});
    });
  }
  std::sort(spans.begin(), spans.end(), [](const Stretch& a, const Stretch& b) {
    return a.source != b.source ? std::less<>()(a.source, b.source) : a.begin < b.begin;
  });
  for (const Stretch& span : spans) {
    if (!stretches_.empty() && stretches_.back().source == span.source && span.begin < stretches_.back().end) {
      stretches_.back().end = std::max(stretches_.back().end, span.end);
    } else {
      stretches_.push_back(span);
    }
  }
  needed_ = std::vector<std::atomic<std::uint32_t>>(stretches_.size());
  for (const Stretch& span : spans) ++needed_[IndexOf({span.source, span.begin, span.end - span.begin})];
}

std::size_t SourceRelease::IndexOf(const SourceSpan& span) const {
  const auto behind =
      std::upper_bound(stretches_.begin(), stretches_.end(), span, [](const SourceSpan& at, const Stretch& stretch) {
        return at.source != stretch.source ? std::less<>()(at.source, stretch.source) : at.offset < stretch.begin;
      });
  return static_cast<std::size_t>(behind - stretches_.begin()) - 1;
}

void SourceRelease::Written(const Piece& piece) {
  VisitPiece(files_, piece, [this](const SourceSpan& span) {
    const std::size_t index = IndexOf(span);
    if (needed_[index].fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    Release(stretches_[index]);
  });
}

void SourceRelease::Release(const Stretch& stretch) {
  const std::lock_guard lock(mutex_);
  released_.push_back(stretch);
  released_bytes_ += stretch.end - stretch.begin;
  while (released_bytes_ > kKeptBytes) DropOldest();
}

void SourceRelease::DropOldest() {
  const Stretch& oldest = released_.front();
  oldest.source->DropCached(oldest.begin, oldest.end - oldest.begin);
  released_bytes_ -= oldest.end - oldest.begin;
  released_.pop_front();
}

SourceRelease::~SourceRelease() {
  while (!released_.empty()) DropOldest();
}

}  // namespace shardfs
