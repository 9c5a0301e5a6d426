#include "service/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "console/output.h"
#include "shardfs/base/format_bytes.h"

namespace shardfs {
namespace {

constexpr std::size_t kMostFilesNamed = 10;

// The value at the end of `path`, or null.
const JsonValue& At(const JsonValue& status, std::initializer_list<std::string_view> path) {
  static const JsonValue null;
  const JsonValue* value = &status;
  for (const std::string_view key : path) {
    value = value->Find(key);
    if (value == nullptr) return null;
  }
  return *value;
}

std::string Text(const JsonValue& value) { return value.text(); }

std::uint64_t Count(const JsonValue& value) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(value.AsInt64().value_or(0), 0));
}

double Number(const JsonValue& value) { return std::strtod(value.text().c_str(), nullptr); }

// "1 read", "2 reads"
std::string Plural(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

// "12 s", "3 min 20 s", "5 h 12 min", "40 d 3 h"
std::string FormatDuration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::max(seconds, 0.0));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < std::uint64_t{24} * 3600) return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {} h", whole / 86400, whole / 3600 % 24);
}

// "12.3 us", "4.56 ms", "1.20 s"
std::string FormatLatency(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.3g} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.3g} ms", seconds * 1e3);
  return fmt::format("{:.3g} s", seconds);
}

// "source_changed" -> "source changed"
std::string Words(std::string_view name) {
  std::string words(name);
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

std::string Headline(const JsonValue& status) {
  const std::string health = Text(At(status, {"health"}));
  if (health == "source_changed") return "SOURCE CHANGED: reads of what the files below feed fail";
  if (health == "source_silent") return "SOURCE SILENT: reads of what the files below feed wait until they answer";
  if (health == "degraded") return "degraded: reads have failed in the last 10 minutes, or a source cannot be looked at";
  return Words(health);
}

std::string Pairs(const JsonValue& object) {
  std::string text;
  for (const auto& [name, value] : object.members()) {
    if (!text.empty()) text += ", ";
    text += name + " " + value.text();
  }
  return text;
}

std::string Served(const JsonValue& status) {
  const JsonValue& reads = At(status, {"reads"});
  std::string text = FormatBytes(Count(At(reads, {"bytes"}))) + " in " + Plural(Count(At(reads, {"total"})), "read");
  std::string kinds;
  for (const auto& [kind, counts] : At(reads, {"by_kind"}).members()) {
    if (Count(At(counts, {"reads"})) == 0) continue;
    kinds += fmt::format("{}{} {} in {}", kinds.empty() ? "" : ", ", kind, FormatBytes(Count(At(counts, {"bytes"}))),
                         Plural(Count(At(counts, {"reads"})), "read"));
  }
  return kinds.empty() ? text : text + ": " + kinds;
}

std::string Errors(const JsonValue& status) {
  const JsonValue& errors = At(status, {"errors"});
  if (Count(At(errors, {"total"})) == 0) return "none";
  std::string causes;
  for (const auto& [cause, count] : At(errors, {"by_cause"}).members()) {
    if (Count(count) > 0) causes += fmt::format("{}{} {}", causes.empty() ? "" : ", ", Count(count), Words(cause));
  }
  return causes;
}

// A line for each file of `list`, with what is wrong with it.
void AddFiles(const JsonValue& list, std::string_view label, std::string& text) {
  const std::vector<JsonValue>& files = list.items();
  for (std::size_t i = 0; i < std::min(files.size(), kMostFilesNamed); ++i) {
    text += fmt::format("  {:<12} {}\n", label, OneLine(Text(At(files[i], {"message"}))));
  }
  if (files.size() > kMostFilesNamed) {
    text += fmt::format("  {:<12} and {} more files (see --json)\n", label, files.size() - kMostFilesNamed);
  }
}

}  // namespace

std::string FormatStatus(const std::string& mount_point, const JsonValue& status) {
  std::string text = mount_point + ": " + Headline(status) + "\n";
  const auto line = [&text](std::string_view label, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<12} {}\n", label, OneLine(value));
  };
  AddFiles(At(status, {"sources", "changed"}), "changed", text);
  AddFiles(At(status, {"sources", "unreachable"}), "unreachable", text);
  AddFiles(At(status, {"sources", "silent"}), "silent", text);
  line("source", Text(At(status, {"source"})));
  line("shown", Text(At(status, {"summary"})));
  line("options", Pairs(At(status, {"options"})));
  line("mounted",
       fmt::format("{} ago, at {}, by shardfs {}, process {}", FormatDuration(Number(At(status, {"uptime_seconds"}))),
                   Text(At(status, {"mounted_at"})), Text(At(status, {"version"})), Text(At(status, {"pid"}))));
  line("served", Served(status));
  line("errors", Errors(status));
  const JsonValue& last = At(status, {"errors", "last"});
  if (last.is_object()) line("last error", Text(At(last, {"at"})) + " " + Text(At(last, {"message"})));
  const JsonValue& latency = At(status, {"read_latency_seconds"});
  if (Count(At(status, {"reads", "total"})) > 0) {
    line("latency",
         fmt::format("p50 {}, p99 {}, max {} of a read", FormatLatency(Number(At(latency, {"p50"}))),
                     FormatLatency(Number(At(latency, {"p99"}))), FormatLatency(Number(At(latency, {"max"})))));
  }
  const JsonValue& read_ahead = At(status, {"read_ahead_kib"});
  line("read-ahead", read_ahead.is_integer() ? Text(read_ahead) + " KiB" : "unknown");
  line("rows by", Text(At(status, {"sources", "rows_by"})));
  line("open files", fmt::format("{}; {} in progress", Text(At(status, {"open_files"})),
                                 Plural(Count(At(status, {"reads", "in_progress"})), "read")));
  return text;
}

}  // namespace shardfs
