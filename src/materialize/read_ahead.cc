#include "materialize/read_ahead.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace shardfs {
namespace {

// Enough for the shards of a tensor that many ranks share, small enough to be searched for each span.
constexpr std::size_t kRecent = 64;

// In steps, so that a run that ends need not wait for a whole tensor.
constexpr std::uint64_t kStep = kBlockBytes;

}  // namespace

ReadAhead::ReadAhead(std::span<const PlannedFile> files, const PieceSchedule& schedule, unsigned depth)
    : files_(files), schedule_(schedule), depth_(depth), asked_(depth == 0 ? 0 : schedule.size(), false) {
  try {
    for (unsigned i = 0; i < depth; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { Work(stop); });
    }
  } catch (const std::system_error&) {
    // The system refuses another thread: fewer do.
  }
}

ReadAhead::~ReadAhead() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void ReadAhead::Advance(std::size_t taken) {
  if (threads_.empty()) return;
  const std::vector<std::size_t> upcoming = schedule_.Upcoming(depth_);
  const std::lock_guard lock(mutex_);
  asked_[taken] = true;
  std::erase_if(queue_, [taken](const Request& request) { return request.piece == taken; });  // its worker is faster
  for (const std::size_t index : upcoming) {
    if (asked_[index]) continue;
    asked_[index] = true;
    Request request{index, MissingStretches(schedule_.piece(index))};
    // Nobody is woken for what is there already: on a busy machine that would cost more than the probes.
    if (request.stretches.empty()) continue;
    queue_.push_back(std::move(request));
    wake_.notify_one();
  }
}

std::vector<ReadAhead::Stretch> ReadAhead::MissingStretches(const Piece& piece) {
  std::vector<Stretch> stretches;
  const VirtualFile& file = *files_[piece.file].file;
  file.VisitSources(piece.begin(), PieceBytes(piece, file.size()), [&](const SourceSpan& span) {
    if (!stretches.empty() && stretches.back().source == span.source && stretches.back().end == span.offset) {
      stretches.back().end += span.size;
    } else if (span.size > 0) {
      stretches.push_back({span.source, span.offset, span.offset + span.size});
    }
  });
  std::erase_if(stretches, [this](Stretch& stretch) {
    for (const Stretch& before : recent_) {
      if (before.source != stretch.source || stretch.begin < before.begin || stretch.begin >= before.end) continue;
      stretch.begin = std::min(before.end, stretch.end);
    }
    return stretch.begin == stretch.end;
  });
  for (const Stretch& stretch : stretches) recent_.push_back(stretch);
  while (recent_.size() > kRecent) recent_.pop_front();
  std::erase_if(stretches, [](const Stretch& stretch) {
    return stretch.source->IsCached(stretch.begin, stretch.end - stretch.begin);
  });
  return stretches;
}

void ReadAhead::Prefetch(const Stretch& stretch, const std::stop_token& stop) {
  for (std::uint64_t at = stretch.begin; at < stretch.end && !stop.stop_requested(); at += kStep) {
    stretch.source->Prefetch(at, std::min(kStep, stretch.end - at));
  }
}

void ReadAhead::Work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Request request;
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [this] { return !queue_.empty(); })) return;
      request = std::move(queue_.front());
      queue_.pop_front();
    }
    for (const Stretch& stretch : request.stretches) Prefetch(stretch, stop);
  }
}

}  // namespace shardfs
