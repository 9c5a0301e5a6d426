#include "materialize/piece_schedule.h"

#include <algorithm>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "shardfs/base/checked_math.h"

namespace shardfs {
namespace {

// A piece with the first source byte that it needs.
struct PlacedPiece {
  std::uint32_t source = 0;  // numbered as they are met, then by name; 0 is none
  Piece piece;
  std::uint64_t offset = 0;
};

// Numbers sources as they are met.
class SourceNumbers {
 public:
  std::uint32_t NumberOf(const ByteSource* source) {
    const auto [entry, is_new] = numbers_.try_emplace(source, static_cast<std::uint32_t>(sources_.size() + 1));
    if (is_new) sources_.push_back(source);
    return entry->second;
  }

  // By number: the place of the source among all by name; 0 stays 0.
  std::vector<std::uint32_t> PlacesByName() const {
    std::vector<std::uint32_t> order(sources_.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [this](std::uint32_t a, std::uint32_t b) { return sources_[a]->name() < sources_[b]->name(); });
    std::vector<std::uint32_t> places(sources_.size() + 1);
    for (std::uint32_t i = 0; i < order.size(); ++i) places[order[i] + 1] = i + 1;
    return places;
  }

 private:
  std::unordered_map<const ByteSource*, std::uint32_t> numbers_;
  std::vector<const ByteSource*> sources_;
};

}  // namespace

std::uint32_t BlockCount(std::uint64_t size) {
  return size == 0 ? 1 : static_cast<std::uint32_t>(CeilDiv(size, kBlockBytes));
}

std::uint64_t PieceBytes(const Piece& piece, std::uint64_t file_size) {
  return std::min(kBlockBytes, file_size - piece.begin());
}

std::vector<Piece> PiecesInSourceOrder(std::span<const PlannedFile> files, const std::vector<bool>& wanted) {
  // A first pass over all sources, so that "first" means by name.
  SourceNumbers numbers;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!wanted[i]) continue;
    files[i].file->VisitSources(0, files[i].file->size(),
                                [&numbers](const SourceSpan& span) { numbers.NumberOf(span.source); });
  }
  const std::vector<std::uint32_t> places = numbers.PlacesByName();

  std::vector<PlacedPiece> placed;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!wanted[i]) continue;
    const std::uint64_t size = files[i].file->size();
    for (std::uint32_t block = 0; block < BlockCount(size); ++block) {
      PlacedPiece piece{0, {static_cast<std::uint32_t>(i), block}, 0};
      files[i].file->VisitSources(piece.piece.begin(), PieceBytes(piece.piece, size), [&](const SourceSpan& span) {
        const std::uint32_t source = places[numbers.NumberOf(span.source)];
        if (piece.source == 0 || std::tie(source, span.offset) < std::tie(piece.source, piece.offset)) {
          piece.source = source;
          piece.offset = span.offset;
        }
      });
      placed.push_back(piece);
    }
  }
  std::stable_sort(placed.begin(), placed.end(), [](const PlacedPiece& a, const PlacedPiece& b) {
    return std::tie(a.source, a.offset) < std::tie(b.source, b.offset);
  });
  std::vector<Piece> pieces;
  pieces.reserve(placed.size());
  for (const PlacedPiece& piece : placed) pieces.push_back(piece.piece);
  return pieces;
}

PieceSchedule::PieceSchedule(std::vector<Piece> pieces, std::size_t files)
    : pieces_(std::move(pieces)), next_(pieces_.size(), kNone) {
  std::vector<std::uint32_t> following(files, kNone);
  for (auto index = static_cast<std::uint32_t>(pieces_.size()); index-- > 0;) {
    next_[index] = std::exchange(following[pieces_[index].file], index);
  }
  for (const std::uint32_t first : following) {
    if (first != kNone) waiting_.insert(first);
  }
}

std::optional<std::size_t> PieceSchedule::Take() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  const std::uint32_t index = *waiting_.begin();
  taken_.push_back(index);
  waiting_.erase(waiting_.begin());
  return index;
}

void PieceSchedule::Return(std::size_t index) {
  const std::lock_guard lock(mutex_);
  std::erase(taken_, static_cast<std::uint32_t>(index));
  if (next_[index] != kNone) waiting_.insert(next_[index]);
}

std::vector<std::size_t> PieceSchedule::Upcoming(std::size_t count) const {
  std::vector<std::size_t> upcoming;
  const std::lock_guard lock(mutex_);
  auto waiting = waiting_.begin();
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> returned;
  std::queue<std::uint32_t> running;
  for (const std::uint32_t index : taken_) running.push(index);
  while (upcoming.size() < count && !running.empty()) {
    // The writer that has been at it the longest returns its file and takes what is first then.
    if (const std::uint32_t next = next_[running.front()]; next != kNone) returned.push(next);
    running.pop();
    if (returned.empty() && waiting == waiting_.end()) continue;
    const bool from_returned = !returned.empty() && (waiting == waiting_.end() || returned.top() < *waiting);
    const std::uint32_t index = from_returned ? returned.top() : *waiting++;
    if (from_returned) returned.pop();
    upcoming.push_back(index);
    running.push(index);
  }
  return upcoming;
}

}  // namespace shardfs
