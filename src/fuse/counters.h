// What a mount has done so far. Relaxed atomics: each number is exact, a set of them is no snapshot of one instant.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuse/latency_histogram.h"
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

struct FuseCounters {
  // The READ requests for files of one kind. A cache line each: readers of different kinds do not disturb each other.
  struct alignas(64) Kind {
    std::atomic<std::uint64_t> reads{0};  // failed ones included
    std::atomic<std::uint64_t> bytes{0};  // handed to the kernel
  };

  std::array<Kind, kFileKinds.size()> kinds;                                 // by FileKind
  std::array<std::atomic<std::uint64_t>, kReadErrorCauses.size()> errors{};  // by ReadErrorCause
  LatencyHistogram read_latency;  // of READ, from the thread's taking it until the reply is handed over
  std::atomic<std::int64_t> reads_in_progress{0};  // READ requests being worked on
  std::atomic<std::int64_t> open_files{0};         // opened and not yet released

  Kind& of(FileKind kind) { return kinds[static_cast<std::size_t>(kind)]; }
  const Kind& of(FileKind kind) const { return kinds[static_cast<std::size_t>(kind)]; }

  void CountError(ReadErrorCause cause) {
    errors[static_cast<std::size_t>(cause)].fetch_add(1, std::memory_order_relaxed);
  }

  std::uint64_t reads() const {
    std::uint64_t total = 0;
    for (const Kind& kind : kinds) total += kind.reads.load(std::memory_order_relaxed);
    return total;
  }
  std::uint64_t read_bytes() const {
    std::uint64_t total = 0;
    for (const Kind& kind : kinds) total += kind.bytes.load(std::memory_order_relaxed);
    return total;
  }
  std::uint64_t read_errors() const {
    std::uint64_t total = 0;
    for (const auto& count : errors) total += count.load(std::memory_order_relaxed);
    return total;
  }
};

}  // namespace shardfs
