#include "shardfs/source/source_alarm.h"

#include <utility>

namespace shardfs {

SourceAlarm::SourceAlarm(const std::vector<const ByteSource*>& sources, std::chrono::milliseconds interval,
                         std::function<Status()> check_directory)
    : interval_(interval),
      next_(std::chrono::steady_clock::time_point::min()),
      check_directory_(std::move(check_directory)) {
  sources_.reserve(sources.size());
  for (const ByteSource* source : sources) sources_.push_back({.source = source});
}

void SourceAlarm::Look(const std::function<void(const Status&)>& report) {
  if (std::chrono::steady_clock::now() < next_.load(std::memory_order_relaxed)) return;
  const std::unique_lock lock(looking_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  const auto look_at = [&report](const Status& status, bool& reported) {
    if (status.ok()) return;
    reported = true;
    report(status);
  };
  for (Watched& watched : sources_) {
    if (!watched.change_reported) look_at(watched.source->CheckUnchanged(), watched.change_reported);
    if (!watched.name_reported) look_at(watched.source->CheckName(), watched.name_reported);
  }
  if (check_directory_ && !directory_reported_) look_at(check_directory_(), directory_reported_);
  next_.store(std::chrono::steady_clock::now() + interval_, std::memory_order_relaxed);
}

}  // namespace shardfs
