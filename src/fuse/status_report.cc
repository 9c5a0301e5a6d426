#include "fuse/status_report.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "fuse/filesystem.h"

namespace shardfs {
namespace {

// How long a source's reads may all hang before it is said to be silent: longer than a slow server takes.
constexpr std::chrono::seconds kSilence{2};

MountHealth HealthOf(const StatusReport& report) {
  if (!report.sources.changed.empty()) return MountHealth::kSourceChanged;
  if (report.has_failed_lately[static_cast<std::size_t>(ReadErrorCause::kSourceChanged)]) {
    return MountHealth::kSourceChanged;
  }
  if (!report.sources.silent.empty()) return MountHealth::kSourceSilent;
  const auto& failed = report.has_failed_lately;
  const bool degraded = std::find(failed.begin(), failed.end(), true) != failed.end();
  return degraded || !report.sources.unreachable.empty() ? MountHealth::kDegraded : MountHealth::kHealthy;
}

// Adds the source files whose reads hang to those whose looks do; by name.
void AddHangingReads(ReadScheduler& reads, std::vector<SourceFindings::File>& silent) {
  for (const ReadScheduler::Silence& silence : reads.Silences(kSilence)) {
    const auto place = std::lower_bound(silent.begin(), silent.end(), silence.source,
                                        [](const auto& file, const std::string& name) { return file.name < name; });
    if (place != silent.end() && place->name == silence.source) continue;
    silent.insert(place, {silence.source, SilenceMessage(silence.source, silence.time)});
  }
}

std::optional<std::uint64_t> ReadAheadKib(std::uint32_t device_major, std::uint32_t device_minor) {
  std::ifstream file("/sys/class/bdi/" + std::to_string(device_major) + ":" + std::to_string(device_minor) +
                     "/read_ahead_kb");
  std::uint64_t kib = 0;
  if (!(file >> kib)) return std::nullopt;
  return kib;
}

}  // namespace

std::string_view MountHealthName(MountHealth health) {
  switch (health) {
    case MountHealth::kHealthy:
      return "healthy";
    case MountHealth::kDegraded:
      return "degraded";
    case MountHealth::kSourceSilent:
      return "source_silent";
    case MountHealth::kSourceChanged:
      return "source_changed";
  }
  return "unknown";
}

std::string_view StatusReport::RowsBy() const {
  if (sources.files == 0) return "";
  if (mapped_sources == 0) return "pread";
  return mapped_sources == sources.files ? "mapping" : "both";
}

StatusReport MakeStatusReport(Filesystem& filesystem, FuseCounters::Clock::time_point now) {
  const FuseCounters& counters = filesystem.counters;
  StatusReport report;
  report.sources = filesystem.watch->Look();
  const std::vector<const ByteSource*> files = filesystem.watch->files();
  report.mapped_sources = static_cast<std::size_t>(
      std::count_if(files.begin(), files.end(), [](const ByteSource* file) { return !file->Mapped().empty(); }));
  if (filesystem.reads != nullptr) AddHangingReads(*filesystem.reads, report.sources.silent);
  report.mount_point = filesystem.mount_point;
  report.description = filesystem.description;
  report.process = UsageOfThisProcess();
  report.pid = ::getpid();
  report.threads = filesystem.max_threads;
  report.files = filesystem.tree->file_count();
  report.bytes = filesystem.tree->total_file_bytes();
  report.mounted_at = filesystem.mounted_at;
  const std::chrono::duration<double> uptime = now - filesystem.mounted_at_steady;
  report.uptime_seconds = std::floor(uptime.count() * 10) / 10;
  for (std::size_t i = 0; i < kFileKinds.size(); ++i) {
    report.kinds[i] = {counters.reads(kFileKinds[i]), counters.read_bytes(kFileKinds[i])};
  }
  for (std::size_t i = 0; i < kReadErrorCauses.size(); ++i) {
    report.errors[i] = counters.errors(kReadErrorCauses[i]);
    report.has_failed_lately[i] = counters.HasFailedSince(kReadErrorCauses[i], now - kFailureMemory);
  }
  report.last_error = filesystem.last_error.Get();
  report.read_latency = counters.read_latency();
  report.read_ahead_kib = ReadAheadKib(filesystem.device_major, filesystem.device_minor);
  report.open_files = counters.open_files();
  report.reads_in_progress = counters.reads_in_progress();
  report.health = HealthOf(report);
  return report;
}

}  // namespace shardfs
