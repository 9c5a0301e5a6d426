#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "fuse/status_report.h"

namespace shardfs {
namespace {

// Bounds of the duration histogram that is shown, in microseconds.
constexpr std::uint64_t kBounds[] = {10,      25,        50,        100,       250,        500,       1'000,
                                     2'500,   5'000,     10'000,    25'000,    50'000,     100'000,   250'000,
                                     500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000};

// A label's value: UTF-8 (what is not is replaced), with backslash, quote and newline escaped.
std::string Escape(const std::string& value) {
  using Json = nlohmann::json;
  const auto valid = Json::parse(Json(value).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
  std::string escaped;
  for (const char c : valid) {
    if (c == '\\' || c == '"') escaped += '\\';
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// A label's name: [a-zA-Z_][a-zA-Z0-9_]*
std::string LabelName(std::string_view name) {
  std::string label;
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (digit && label.empty()) label += '_';
    label += digit || letter ? c : '_';
  }
  return label;
}

// Each sample has the labels of the mount first, so that the series of two mounts of one host differ.
class Writer {
 public:
  explicit Writer(const StatusReport& report)
      : labels_(fmt::format("mountpoint=\"{}\",layout=\"{}\"", Escape(report.mount_point),
                            Escape(report.description.layout))) {}

  void Family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <typename Number>
  void Sample(std::string_view name, Number value) {
    fmt::format_to(std::back_inserter(text_), "{}{{{}}} {}\n", name, labels_, value);
  }
  template <typename Number>
  void Sample(std::string_view name, std::string_view label, std::string_view label_value, Number value) {
    fmt::format_to(std::back_inserter(text_), "{}{{{},{}=\"{}\"}} {}\n", name, labels_, label, label_value, value);
  }
  template <typename Number>
  void Single(std::string_view name, std::string_view type, std::string_view help, Number value) {
    Family(name, type, help);
    Sample(name, value);
  }
  void Info(std::string_view name, std::string_view help, const MountDescription::Pairs& labels) {
    Family(name, "gauge", help);
    std::string list = labels_;
    for (const auto& [label, value] : labels) list += fmt::format(",{}=\"{}\"", LabelName(label), Escape(value));
    fmt::format_to(std::back_inserter(text_), "{}{{{}}} 1\n", name, list);
  }

  std::string Take() { return std::move(text_); }

 private:
  const std::string labels_;
  std::string text_;
};

// A bound in seconds as people read it: "0.000025", and never "2.5e-05".
std::string BoundInSeconds(std::uint64_t microseconds) {
  std::string text = fmt::format("{}.{:06}", microseconds / 1'000'000, microseconds % 1'000'000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

double Seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

void WriteMount(const StatusReport& report, Writer& out) {
  out.Info("shardfs_build_info", "The program that serves the mount.", {{"version", SHARDFS_VERSION}});
  out.Single("shardfs_up", "gauge", "1: the mount answers.", 1);
  MountDescription::Pairs labels{{"source", report.description.source}};
  labels.insert(labels.end(), report.description.sizes.begin(), report.description.sizes.end());
  out.Info("shardfs_mount_info", "What is mounted.", labels);
  out.Single("shardfs_mount_time_seconds", "gauge", "When it was mounted, in seconds since the epoch.",
             std::chrono::duration_cast<std::chrono::seconds>(report.mounted_at.time_since_epoch()).count());
  out.Family("shardfs_health", "gauge", "1 for the state that the mount is in.");
  for (const MountHealth health : kMountHealths) {
    out.Sample("shardfs_health", "state", MountHealthName(health), health == report.health ? 1 : 0);
  }
  out.Single("shardfs_source_files", "gauge", "Source files that the view is made of.", report.sources.files);
  out.Single("shardfs_source_changed_files", "gauge", "Source files that have changed since they were opened.",
             report.sources.changed.size());
  out.Single("shardfs_source_unreachable_files", "gauge", "Source files that could not be looked at.",
             report.sources.unreachable.size());
  out.Single("shardfs_source_silent_files", "gauge", "Source files that do not answer.", report.sources.silent.size());
}

void WriteDurations(const LatencyHistogram::Snapshot& latency, Writer& out) {
  constexpr std::string_view kName = "shardfs_read_duration_seconds";
  constexpr std::string_view kBucket = "shardfs_read_duration_seconds_bucket";
  out.Family(kName, "histogram",
             "How long READ requests took, from a serving thread's taking one until its reply, to within an eighth.");
  for (const std::uint64_t bound : kBounds) {
    out.Sample(kBucket, "le", BoundInSeconds(bound), latency.CountUpTo(bound * 1000));
  }
  out.Sample(kBucket, "le", "+Inf", latency.count);
  out.Sample("shardfs_read_duration_seconds_sum", Seconds(latency.sum_ns));
  out.Sample("shardfs_read_duration_seconds_count", latency.count);
  out.Single("shardfs_read_duration_max_seconds", "gauge", "The longest READ since the mount.",
             Seconds(latency.max_ns));
}

void WriteReads(const StatusReport& report, Writer& out) {
  out.Family("shardfs_reads_total", "counter", "READ requests, failed ones included, by kind of file.");
  for (std::size_t i = 0; i < kFileKinds.size(); ++i) {
    out.Sample("shardfs_reads_total", "kind", FileKindName(kFileKinds[i]), report.kinds[i].reads);
  }
  out.Family("shardfs_read_bytes_total", "counter", "Bytes handed to the kernel, by kind of file.");
  for (std::size_t i = 0; i < kFileKinds.size(); ++i) {
    out.Sample("shardfs_read_bytes_total", "kind", FileKindName(kFileKinds[i]), report.kinds[i].bytes);
  }
  out.Family("shardfs_read_errors_total", "counter", "READ requests that failed, by cause.");
  for (std::size_t i = 0; i < kReadErrorCauses.size(); ++i) {
    out.Sample("shardfs_read_errors_total", "cause", ReadErrorCauseName(kReadErrorCauses[i]), report.errors[i]);
  }
  WriteDurations(report.read_latency, out);
  out.Single("shardfs_reads_in_progress", "gauge", "READ requests being worked on.", report.reads_in_progress);
  out.Single("shardfs_open_files", "gauge", "Files of the view that are open.", report.open_files);
  if (report.read_ahead_kib) {
    out.Single("shardfs_read_ahead_bytes", "gauge", "The kernel's read-ahead window for the mount.",
               *report.read_ahead_kib * 1024);
  }
}

// The names are those that Prometheus' own clients give.
void WriteProcess(const StatusReport& report, Writer& out) {
  const ProcessUsage& process = report.process;
  out.Single("process_cpu_seconds_total", "counter", "Processor time of the daemon.", process.cpu_seconds);
  out.Single("process_resident_memory_bytes", "gauge", "Resident memory of the daemon, mapped source files included.",
             process.resident_bytes);
  out.Single("process_open_fds", "gauge", "Open descriptors of the daemon.", process.open_descriptors);
  out.Single("process_max_fds", "gauge", "How many descriptors the daemon may have.", process.most_descriptors);
}

}  // namespace

std::string ToPrometheus(const StatusReport& report) {
  Writer out(report);
  WriteMount(report, out);
  WriteReads(report, out);
  WriteProcess(report, out);
  return out.Take();
}

std::string ToTextfile(const StatusReport& report) {
  Writer out(report);
  WriteMount(report, out);
  WriteReads(report, out);
  return out.Take();
}

}  // namespace shardfs
