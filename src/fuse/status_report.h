// StatusReport: the state of a mount at one moment, and its two written forms.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fuse/counters.h"
#include "fuse/last_error.h"
#include "fuse/latency_histogram.h"
#include "fuse/mount_description.h"
#include "fuse/process_usage.h"
#include "source/source_watch.h"

namespace shardfs {

struct Filesystem;

enum class MountHealth : std::uint8_t {
  kHealthy,
  kDegraded,       // reads have failed within kFailureMemory, or a source cannot be looked at
  kSourceSilent,   // a source file does not answer; reads of what it feeds wait for it
  kSourceChanged,  // a source file is no longer the one that was opened; reads of what it feeds fail
};
inline constexpr std::array kMountHealths{MountHealth::kHealthy, MountHealth::kDegraded, MountHealth::kSourceSilent,
                                          MountHealth::kSourceChanged};

// How long a failed read keeps a mount from being called healthy: as long as the alert ShardfsReadsFailing looks back.
// A source that has changed, does not answer or is out of reach counts for as long as it is so.
inline constexpr std::chrono::minutes kFailureMemory{10};

// As in JSON and metrics: "source_changed".
std::string_view MountHealthName(MountHealth health);

struct StatusReport {
  struct Kind {
    std::uint64_t reads = 0;
    std::uint64_t bytes = 0;
  };

  MountHealth health = MountHealth::kHealthy;
  std::string mount_point;
  MountDescription description;
  std::int64_t pid = 0;
  ProcessUsage process;
  unsigned threads = 0;     // most serving threads
  std::uint64_t files = 0;  // of the view
  std::uint64_t bytes = 0;  // of the view
  std::chrono::system_clock::time_point mounted_at;
  double uptime_seconds = 0;
  std::array<Kind, kFileKinds.size()> kinds;                    // by FileKind
  std::array<std::uint64_t, kReadErrorCauses.size()> errors{};  // by ReadErrorCause
  std::array<bool, kReadErrorCauses.size()> has_failed_lately{};  // within kFailureMemory; by ReadErrorCause
  std::optional<LastError::Entry> last_error;
  LatencyHistogram::Snapshot read_latency;
  std::optional<std::uint64_t> read_ahead_kib;  // in force in the kernel; nothing when it cannot be known
  std::int64_t open_files = 0;
  std::int64_t reads_in_progress = 0;
  SourceFindings sources;
  std::size_t mapped_sources = 0;  // of sources.files

  // How short rows are read where many are wanted at a time (tensor/gather.cc): by "mapping", by "pread" where no
  // source file is mapped, by "both". Empty where there is no source file.
  std::string_view RowsBy() const;
};

// Waits for a look at the sources, but not for sources that do not answer (source_watch.h). Throws bad_alloc.
StatusReport MakeStatusReport(Filesystem& filesystem,
                              FuseCounters::Clock::time_point now = FuseCounters::Clock::now());

// The content of .shardfs/status.json; ends in a newline. Bytes that are not UTF-8 are replaced.
std::string ToJson(const StatusReport& report);

// The content of .shardfs/metrics: Prometheus' text format 0.0.4.
std::string ToPrometheus(const StatusReport& report);

// The same for node_exporter's textfile collector: without process_*, which it has of itself under the same names.
std::string ToTextfile(const StatusReport& report);

}  // namespace shardfs
