// FailureLog: which failed reads are written to the log. A source that has gone bad under many readers fails thousands
// of reads in a second; the counters have all of them, the log need not.
//
// A file's first failure always has its line, so that the log names every file that is hit. Further ones have theirs up
// to a number in each period; the rest are held back and counted, and the count is told with the next line.
// Thread-safe; used by failing reads only.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <new>
#include <unordered_set>
#include <utility>

#include "shardfs/view/virtual_tree.h"

namespace shardfs {

class FailureLog {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::uint32_t kLinesPerPeriod = 10;
  static constexpr std::chrono::seconds kPeriod{10};

  struct Decision {
    bool write = false;           // this failure has a line
    bool pauses = false;          // the period's last: what is held back from here on should be announced
    std::uint64_t held_back = 0;  // earlier failures to be told of before it; only with `write`
  };

  // For one failed read of `file` at `now`. Does not throw.
  Decision Admit(NodeId file, Clock::time_point now) noexcept {
    const std::lock_guard lock(mutex_);
    const bool first = IsFirstOf(file);
    if (now - period_began_ >= kPeriod) {
      period_began_ = now;
      lines_ = 0;
    }
    if (!first && lines_ >= kLinesPerPeriod) {
      ++held_back_;
      return {};
    }
    Decision decision{.write = true};
    if (!first) decision.pauses = ++lines_ == kLinesPerPeriod;
    decision.held_back = std::exchange(held_back_, 0);
    return decision;
  }

 private:
  // Without memory to remember a file by, its failures have lines as further ones have.
  bool IsFirstOf(NodeId file) noexcept {
    try {
      return failed_.insert(file).second;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  std::mutex mutex_;  // guards the rest
  std::unordered_set<NodeId> failed_;
  Clock::time_point period_began_;
  std::uint32_t lines_ = 0;  // of the period, without files' first
  std::uint64_t held_back_ = 0;
};

}  // namespace shardfs
