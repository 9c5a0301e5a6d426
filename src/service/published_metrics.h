// PublishedMetrics: the metrics of a mount where others can have them: over HTTP, and in a directory of files.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "fuse/session.h"
#include "service/metrics_listener.h"
#include "service/metrics_textfile.h"
#include "shardfs/base/result.h"

namespace shardfs {

class PublishedMetrics {
 public:
  // Binds the address and opens the directory, as their classes say; either may be empty, for none.
  static Result<std::unique_ptr<PublishedMetrics>> Prepare(const std::string& address, const std::string& directory,
                                                           const std::string& mount_point);

  // Begins to answer and to write. `session` is mounted, and lives until Stop. Logs what it cannot start: a mount does
  // not fail for its metrics.
  void Start(const FuseSession* session);

  // Ends both, and removes the file. Waits for an answer that is being made.
  void Stop();

  // Removes the file, when the process ends without Stop.
  void Remove() const;

 private:
  PublishedMetrics() = default;
  FuseSession::Metrics Take();

  // A client that asks again and again is given the same answer for so long: each takes a look at the sources.
  static constexpr std::chrono::milliseconds kReuse{200};

  const FuseSession* session_ = nullptr;
  std::mutex mutex_;  // guards the next two
  FuseSession::Metrics last_;
  std::chrono::steady_clock::time_point taken_{};
  std::unique_ptr<MetricsListener> listener_;  // these two last, so that what they use outlives their threads
  std::unique_ptr<MetricsTextfile> textfile_;
};

}  // namespace shardfs
