#include "service/metrics_textfile.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <span>
#include <utility>

#include "base/quote_name.h"
#include "materialize/small_file.h"
#include "shardfs/base/file_digest.h"

namespace shardfs {

std::string MetricsFileName(const std::string& mount_point) {
  constexpr std::size_t kLongest = 200;  // names may have 255 bytes, and the temporary one is longer
  std::string name = "shardfs";
  for (const char c : mount_point == "/" ? std::string("/root") : mount_point) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_';
    if (c == '/') {
      name += '-';
    } else if (plain) {
      name += c;
    } else {
      name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  if (name.size() > kLongest) {
    name = name.substr(0, kLongest - 33) + "-" + FileDigest::OfBytes(std::as_bytes(std::span(mount_point))).ToHex();
  }
  return name + ".prom";
}

namespace {

void RemoveFrom(int directory, const std::string& name) {
  for (const std::string& one : {name, name + ".tmp"}) ::unlinkat(directory, one.c_str(), 0);
}

}  // namespace

void RemoveLeftMetrics(const std::string& directory, const std::string& mount_point) {
  const FileDescriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.valid()) RemoveFrom(opened.get(), MetricsFileName(mount_point));
}

Result<std::unique_ptr<MetricsTextfile>> MetricsTextfile::Open(const std::string& directory,
                                                               const std::string& mount_point) {
  std::unique_ptr<MetricsTextfile> file(new MetricsTextfile);
  file->directory_ = FileDescriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file->directory_.valid() || ::access(directory.c_str(), W_OK | X_OK) != 0) {
    return Status::InvalidArgument(
        fmt::format("{}; give the directory that node_exporter's --collector.textfile.directory names",
                    Status::FromErrno(errno, "--metrics-textfile: cannot write to " + QuoteName(directory)).message()));
  }
  file->name_ = MetricsFileName(mount_point);
  file->path_ = directory + (directory.ends_with('/') ? "" : "/") + file->name_;
  file->Remove();
  return file;
}

MetricsTextfile::~MetricsTextfile() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  Remove();
}

void MetricsTextfile::Start(std::function<std::string()> make) {
  make_ = std::move(make);
  thread_ = std::jthread([this](const std::stop_token& stop) { Loop(stop); });
}

void MetricsTextfile::Remove() const { RemoveFrom(directory_.get(), name_); }

void MetricsTextfile::Write() {
  Status status;
  try {
    constexpr mode_t kMode = 0644;  // node_exporter is another user
    status = WriteSmallFile(directory_.get(), name_, path_, make_(), kMode);
  } catch (const std::exception& error) {  // bad_alloc
    status = Status::ResourceExhausted(error.what());
  }
  if (!status.ok() && !failing_) spdlog::warn("metrics are not written to {}: {}", path_, status.message());
  failing_ = !status.ok();
}

void MetricsTextfile::Loop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any timer;
  std::unique_lock lock(mutex);
  do {
    Write();
  } while (!timer.wait_for(lock, stop, kEvery, [&stop] { return stop.stop_requested(); }));
}

}  // namespace shardfs
