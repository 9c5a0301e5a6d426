// StopSignals: turns SIGTERM, SIGINT and, unless it stands for the log, SIGHUP into the orderly end of a session, within
// a bound.
#pragma once

#include <mutex>
#include <string>
#include <thread>

#include "service/log_rotation.h"
#include "fuse/session.h"
#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

// Construct it before any other thread exists: threads inherit the mask that keeps these signals for the watcher.
// While no session is attached, a signal ends the process at once, with exit code 1. With one, it is stopped and its
// owner unmounts; if that takes more than 4 seconds (a source that hangs), the watcher detaches the mount (where this
// process may) and ends the process. Where there is a `rotation`, which must outlive this, SIGHUP ends nothing, but is
// handed to it. Thread-safety: Attach and Detach from one thread.
class StopSignals {
 public:
  explicit StopSignals(LogRotation* rotation = nullptr);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  void Attach(FuseSession& session, const std::string& mount_point);
  void Detach();  // the session may be destroyed afterwards

 private:
  void Watch();
  bool WaitForStop();
  void Stop();
  bool Finished(int timeout_ms) const;
  void CutConnection();

  LogRotation* rotation_;    // null: SIGHUP stops
  FileDescriptor signals_;   // a signalfd
  FileDescriptor finished_;  // an eventfd, readable once the destructor has begun
  std::mutex mutex_;         // guards the next two; held while the session is being stopped
  FuseSession* session_ = nullptr;
  bool has_ended_ = false;  // Detach was called
  std::string mount_point_;
  std::thread watcher_;
};

}  // namespace shardfs
