// What a mount has done so far. Relaxed atomics: each number is exact, a set of them is no snapshot of one instant.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuse/latency_histogram.h"
#include "fuse/thread_number.h"
#include "shardfs/base/status.h"
#include "shardfs/view/virtual_file.h"

namespace shardfs {

inline constexpr std::array kFileKinds{FileKind::kGenerated, FileKind::kPassthrough, FileKind::kTensors,
                                       FileKind::kEntries};

// Why a READ failed.
enum class ReadErrorCause : std::uint8_t { kSourceChanged, kIoError, kOutOfMemory, kOther };
inline constexpr std::array kReadErrorCauses{ReadErrorCause::kSourceChanged, ReadErrorCause::kIoError,
                                             ReadErrorCause::kOutOfMemory, ReadErrorCause::kOther};

inline ReadErrorCause CauseOf(StatusCode code) {
  switch (code) {
    case StatusCode::kSourceChanged:
      return ReadErrorCause::kSourceChanged;
    case StatusCode::kIoError:
      return ReadErrorCause::kIoError;
    case StatusCode::kResourceExhausted:
      return ReadErrorCause::kOutOfMemory;
    default:
      return ReadErrorCause::kOther;
  }
}

// As in metrics: "source_changed".
constexpr std::string_view ReadErrorCauseName(ReadErrorCause cause) {
  constexpr std::array<std::string_view, kReadErrorCauses.size()> kNames{"source_changed", "io_error", "out_of_memory",
                                                                         "other"};
  return kNames[static_cast<std::size_t>(cause)];
}

// Every thread counts in a share of its own, so that readers write no cache line that others read; a total is the sum
// of the shares. Thread-safety: all members from any number of threads, without a lock; a total that is taken while
// others count may be between two of their counts.
class FuseCounters {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::size_t kShares = 64;  // threads beyond share shares

  struct Kind {
    std::atomic<std::uint64_t> reads{0};  // failed ones included
    std::atomic<std::uint64_t> bytes{0};  // handed to the kernel
  };

  // What one thread has counted. An open file may be released by another thread, so its gauges may be below 0.
  struct alignas(64) Share {
    std::array<Kind, kFileKinds.size()> kinds;       // by FileKind
    LatencyHistogram read_latency;                   // of READ, from the thread's taking it until the reply is given
    std::atomic<std::int64_t> reads_in_progress{0};  // READ requests being worked on
    std::atomic<std::int64_t> open_files{0};         // opened and not yet released

    Kind& of(FileKind kind) { return kinds[static_cast<std::size_t>(kind)]; }
  };

  // Returns the calling thread's share: the same one each time.
  Share& mine() { return shares_[ThreadNumber() % kShares]; }

  void CountError(ReadErrorCause cause, Clock::time_point now = Clock::now()) {
    latest_error_[static_cast<std::size_t>(cause)].store(now.time_since_epoch().count(), std::memory_order_relaxed);
    errors_[static_cast<std::size_t>(cause)].fetch_add(1, std::memory_order_release);
  }

  std::uint64_t reads(FileKind kind) const {
    return Sum<std::uint64_t>([kind](const Share& share) {
      return share.kinds[static_cast<std::size_t>(kind)].reads.load(std::memory_order_relaxed);
    });
  }
  std::uint64_t read_bytes(FileKind kind) const {
    return Sum<std::uint64_t>([kind](const Share& share) {
      return share.kinds[static_cast<std::size_t>(kind)].bytes.load(std::memory_order_relaxed);
    });
  }
  std::uint64_t errors(ReadErrorCause cause) const {
    return errors_[static_cast<std::size_t>(cause)].load(std::memory_order_relaxed);
  }
  // Returns whether a read failed for that cause at `time` or later.
  bool HasFailedSince(ReadErrorCause cause, Clock::time_point time) const {
    const auto i = static_cast<std::size_t>(cause);
    if (errors_[i].load(std::memory_order_acquire) == 0) return false;
    return latest_error_[i].load(std::memory_order_relaxed) >= time.time_since_epoch().count();
  }
  std::int64_t reads_in_progress() const {
    return Sum<std::int64_t>(
        [](const Share& share) { return share.reads_in_progress.load(std::memory_order_relaxed); });
  }
  std::int64_t open_files() const {
    return Sum<std::int64_t>([](const Share& share) { return share.open_files.load(std::memory_order_relaxed); });
  }
  LatencyHistogram::Snapshot read_latency() const {
    LatencyHistogram::Snapshot all;
    for (const Share& share : shares_) all.Add(share.read_latency.Take());
    return all;
  }

  std::uint64_t reads() const {
    std::uint64_t total = 0;
    for (const FileKind kind : kFileKinds) total += reads(kind);
    return total;
  }
  std::uint64_t read_bytes() const {
    std::uint64_t total = 0;
    for (const FileKind kind : kFileKinds) total += read_bytes(kind);
    return total;
  }
  std::uint64_t read_errors() const {
    std::uint64_t total = 0;
    for (const ReadErrorCause cause : kReadErrorCauses) total += errors(cause);
    return total;
  }

 private:
  template <typename Number, typename Value>
  Number Sum(const Value& value) const {
    Number total = 0;
    for (const Share& share : shares_) total += value(share);
    return total;
  }

  std::array<Share, kShares> shares_;
  std::array<std::atomic<std::uint64_t>, kReadErrorCauses.size()> errors_{};  // by ReadErrorCause; a failure is rare
  std::array<std::atomic<Clock::rep>, kReadErrorCauses.size()> latest_error_{};  // ticks of Clock; where errors_ is not 0
};

}  // namespace shardfs
