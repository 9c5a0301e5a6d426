#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "fuse/status_report.h"

namespace shardfs {
namespace {

using Json = nlohmann::ordered_json;

// "2026-11-21T18:00:00Z"
std::string Iso8601(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

double Seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

Json ToObject(const MountDescription::Pairs& pairs) {
  Json object = Json::object();
  for (const auto& [name, value] : pairs) object[name] = value;
  return object;
}

// A name may stand there several times.
Json ToList(const MountDescription::Pairs& pairs) {
  Json list = Json::array();
  for (const auto& [name, value] : pairs) list.push_back({{"name", name}, {"value", value}});
  return list;
}

// Sizes are whole numbers, written as such.
Json SizesToObject(const MountDescription::Pairs& sizes) {
  Json object = Json::object();
  for (const auto& [name, value] : sizes) {
    const Json number = Json::parse(value, nullptr, false);
    object[name] = number.is_number_integer() ? number : Json(value);
  }
  return object;
}

Json ToArray(const std::vector<SourceFindings::File>& files) {
  Json array = Json::array();
  for (const SourceFindings::File& file : files) array.push_back({{"file", file.name}, {"message", file.message}});
  return array;
}

Json ReadsOf(const StatusReport& report) {
  Json reads = {{"total", 0}, {"bytes", 0}, {"in_progress", report.reads_in_progress}};
  Json kinds = Json::object();
  std::uint64_t total = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < kFileKinds.size(); ++i) {
    const StatusReport::Kind& kind = report.kinds[i];
    kinds[std::string(FileKindName(kFileKinds[i]))] = {{"reads", kind.reads}, {"bytes", kind.bytes}};
    total += kind.reads;
    bytes += kind.bytes;
  }
  reads["total"] = total;
  reads["bytes"] = bytes;
  reads["by_kind"] = std::move(kinds);
  return reads;
}

Json ErrorsOf(const StatusReport& report) {
  Json causes = Json::object();
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kReadErrorCauses.size(); ++i) {
    causes[std::string(ReadErrorCauseName(kReadErrorCauses[i]))] = report.errors[i];
    total += report.errors[i];
  }
  Json last = nullptr;
  if (report.last_error) last = {{"at", Iso8601(report.last_error->at)}, {"message", report.last_error->text}};
  return {{"total", total}, {"by_cause", std::move(causes)}, {"last", std::move(last)}};
}

}  // namespace

std::string ToJson(const StatusReport& report) {
  const MountDescription& mounted = report.description;
  const LatencyHistogram::Snapshot& latency = report.read_latency;
  const Json json = {
      {"health", MountHealthName(report.health)},
      {"version", SHARDFS_VERSION},
      {"pid", report.pid},
      {"mounted_at", Iso8601(report.mounted_at)},
      {"uptime_seconds", report.uptime_seconds},
      {"source", mounted.source},
      {"layout", mounted.layout},
      {"summary", mounted.summary},
      {"parallel", SizesToObject(mounted.sizes)},
      {"options", ToObject(mounted.options)},
      {"request", {{"from", mounted.reader}, {"options", ToList(mounted.asked)}}},
      {"view", {{"files", report.files}, {"bytes", report.bytes}}},
      {"reads", ReadsOf(report)},
      {"errors", ErrorsOf(report)},
      {"read_latency_seconds",
       {{"p50", Seconds(latency.Quantile(0.5))},
        {"p99", Seconds(latency.Quantile(0.99))},
        {"max", Seconds(latency.max_ns)}}},
      {"open_files", report.open_files},
      {"threads", report.threads},
      {"read_ahead_kib", report.read_ahead_kib ? Json(*report.read_ahead_kib) : Json(nullptr)},
      {"sources",
       {{"files", report.sources.files},
        {"rows_by", report.RowsBy()},
        {"changed", ToArray(report.sources.changed)},
        {"unreachable", ToArray(report.sources.unreachable)},
        {"silent", ToArray(report.sources.silent)}}},
  };
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace shardfs
