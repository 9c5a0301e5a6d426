// SourceAlarm: looks now and then whether the files of a source are still the ones that were opened, so that a change
// becomes known before a read meets it, and a replaced name at all.
//
// Thread-safety: Look from any number of threads at once. Ownership: the sources and the directory that they were
// opened in stay the caller's, and outlive the alarm.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <vector>

#include "shardfs/source/byte_source.h"

namespace shardfs {

class SourceAlarm {
 public:
  // Two stats a source, so some hundred microseconds for the 163 files of a large checkpoint.
  static constexpr std::chrono::milliseconds kInterval{1000};

  // `check_directory`, if given, is asked as well: of the directory that the sources are in.
  explicit SourceAlarm(const std::vector<const ByteSource*>& sources, std::chrono::milliseconds interval = kInterval,
                       std::function<Status()> check_directory = nullptr);

  // Looks, unless that was done less than the interval ago or another thread is at it; else returns at once. `report`
  // gets what CheckUnchanged or CheckName had to say of a source, once for each source and kind in all, and what the
  // directory's check had to, once.
  void Look(const std::function<void(const Status&)>& report);

 private:
  struct Watched {
    const ByteSource* source = nullptr;
    bool change_reported = false;
    bool name_reported = false;
  };

  const std::chrono::steady_clock::duration interval_;
  std::atomic<std::chrono::steady_clock::time_point> next_;
  std::mutex looking_;  // guards the rest
  std::vector<Watched> sources_;
  std::function<Status()> check_directory_;
  bool directory_reported_ = false;
};

}  // namespace shardfs
