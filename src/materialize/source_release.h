// SourceRelease: drops the source's pages from the page cache behind a run (--drop-source-cache).
//
// A stretch of a source is everything that overlapping pieces need of it, at most a tensor; once the last of these
// pieces is written its pages are dropped, a little later.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include "materialize/piece_schedule.h"

namespace shardfs {

// Thread-safety: Written from any thread. Ownership: borrows what it is made with.
class SourceRelease {
 public:
  // `pieces` are all that will be written.
  SourceRelease(std::span<const PlannedFile> files, std::span<const Piece> pieces);

  ~SourceRelease();  // drops the rest
  SourceRelease(const SourceRelease&) = delete;
  SourceRelease& operator=(const SourceRelease&) = delete;

  // The piece is written. To be called once for each.
  void Written(const Piece& piece);

 private:
  struct Stretch {
    const ByteSource* source = nullptr;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  void Release(const Stretch& stretch);
  void DropOldest();
  std::size_t IndexOf(const SourceSpan& span) const;

  const std::span<const PlannedFile> files_;
  std::vector<Stretch> stretches_;                  // ascending by source and begin, without overlap
  std::vector<std::atomic<std::uint32_t>> needed_;  // by stretch: spans of pieces that are still to be written

  std::mutex mutex_;              // guards what follows
  std::deque<Stretch> released_;  // needed no longer and not dropped yet, the oldest first
  std::uint64_t released_bytes_ = 0;
};

}  // namespace shardfs
