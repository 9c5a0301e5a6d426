// MetricsTextfile: the metrics of a mount as a file in the directory that node_exporter's textfile collector reads.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

// "shardfs-mnt-r1.prom" of /mnt/r1. A slash becomes '-', and what is not a letter, a digit, '.' or '_' becomes %XX, so
// that two mount points have two names; a name that would be too long ends in a digest.
std::string MetricsFileName(const std::string& mount_point);

// Removes from `directory` what the daemon of an earlier mount on `mount_point` has left when it was killed.
void RemoveLeftMetrics(const std::string& directory, const std::string& mount_point);

class MetricsTextfile {
 public:
  static constexpr std::chrono::seconds kEvery{15};

  // Opens `directory`, which must be there. A file that an earlier mount on `mount_point` has left is removed: what it
  // says is not true any more. kInvalidArgument where it is no directory, or one that this user may not write to.
  static Result<std::unique_ptr<MetricsTextfile>> Open(const std::string& directory, const std::string& mount_point);

  // Stops writing, and removes the file.
  ~MetricsTextfile();
  MetricsTextfile(const MetricsTextfile&) = delete;
  MetricsTextfile& operator=(const MetricsTextfile&) = delete;

  const std::string& path() const { return path_; }

  // Writes at once, and again every kEvery, what `make` gives, under a temporary name that is then renamed: the
  // collector sees a whole file or none. A write that fails is logged once, until one succeeds. Throws
  // std::system_error where there is no thread to be had.
  void Start(std::function<std::string()> make);

  // Removes the file at once, from any thread, when the process ends without the destructor.
  void Remove() const;

 private:
  MetricsTextfile() = default;
  void Loop(const std::stop_token& stop);
  void Write();

  FileDescriptor directory_;
  std::string name_;
  std::string path_;
  std::function<std::string()> make_;
  bool failing_ = false;
  std::jthread thread_;
};

}  // namespace shardfs
