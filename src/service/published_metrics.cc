#include "service/published_metrics.h"

#include <spdlog/spdlog.h>

#include <exception>
#include <utility>

namespace shardfs {

Result<std::unique_ptr<PublishedMetrics>> PublishedMetrics::Prepare(const std::string& address,
                                                                    const std::string& directory,
                                                                    const std::string& mount_point) {
  std::unique_ptr<PublishedMetrics> metrics(new PublishedMetrics);
  if (!address.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(metrics->listener_, MetricsListener::Listen(address));
  }
  if (!directory.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(metrics->textfile_, MetricsTextfile::Open(directory, mount_point));
  }
  return metrics;
}

FuseSession::Metrics PublishedMetrics::Take() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (last_.text.empty() || now - taken_ >= kReuse) {
    last_ = session_->TakeMetrics();
    taken_ = now;
  }
  return last_;
}

void PublishedMetrics::Start(const FuseSession* session) {
  session_ = session;
  try {
    if (listener_ != nullptr) {
      listener_->Serve({[this] { return Take().text; }, [this] { return Take().health; }});
      spdlog::info("metrics are served on http://{}/metrics", listener_->address());
    }
    if (textfile_ != nullptr) {
      textfile_->Start([this] { return Take().textfile_text; });
      spdlog::info("metrics are written to {}", textfile_->path());
    }
  } catch (const std::exception& error) {  // no thread to be had
    spdlog::error("metrics are not published: {}", error.what());
  }
}

void PublishedMetrics::Stop() {
  listener_.reset();
  textfile_.reset();
}

void PublishedMetrics::Remove() const {
  if (textfile_ != nullptr) textfile_->Remove();
}

}  // namespace shardfs
