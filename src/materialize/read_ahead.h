// ReadAhead: has the source read for pieces that will be written soon, several at a time.
//
// Worth its threads where the source is cold: a device or a server answers many large requests at once as fast as one.
// Where the source is in the page cache already it costs a few probes a piece. Best effort: an error of the source
// shows when a worker reads the bytes itself.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "materialize/piece_schedule.h"

namespace shardfs {

// Thread-safety: all members from any thread. Ownership: borrows what it is made with.
class ReadAhead {
 public:
  // `depth` pieces are read at a time, each by a thread of its own (fewer where the system refuses threads); 0: none.
  ReadAhead(std::span<const PlannedFile> files, const PieceSchedule& schedule, unsigned depth);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Call after a worker has taken piece `taken`: asks for what comes next.
  void Advance(std::size_t taken);

 private:
  // A stretch of a source that has been asked for.
  struct Stretch {
    const ByteSource* source = nullptr;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  struct Request {
    std::size_t piece = 0;
    std::vector<Stretch> stretches;
  };

  static void Prefetch(const Stretch& stretch, const std::stop_token& stop);
  void Work(const std::stop_token& stop);
  std::vector<Stretch> MissingStretches(const Piece& piece);  // under the lock

  const std::span<const PlannedFile> files_;
  const PieceSchedule& schedule_;
  const unsigned depth_;
  std::mutex mutex_;  // guards what follows, but for the threads
  std::condition_variable_any wake_;
  std::vector<bool> asked_;            // by piece
  std::deque<Request> queue_;          // pieces to read, the next one first
  std::deque<Stretch> recent_;         // the last stretches that were asked for: the shards of a tensor share them
  std::vector<std::jthread> threads_;  // last, so that all they use exists while they run
};

}  // namespace shardfs
