// LogRotation: what a process does about SIGHUP, by which log rotation tells a daemon that its log file has been
// renamed.
#pragma once

#include <utility>

#include "shardfs/base/file_descriptor.h"

namespace shardfs {

// A process that has given up root may not be allowed to open the file again: its supervisor does that and sends it the
// descriptor, over a pair of sockets of type SOCK_SEQPACKET. Thread-safety: one thread at a time.
class LogRotation {
 public:
  // This process opens the file itself.
  LogRotation() = default;
  // The supervisor, at the other end of `supervisor`, opens the file for this process.
  explicit LogRotation(FileDescriptor supervisor) : supervisor_(std::move(supervisor)) {}

  // SIGHUP came: opens the log file again, or asks the supervisor to.
  void OnHangup();

  // Can be read when the supervisor has sent something, to be taken by OnMessage; -1 when there is none.
  int descriptor() const { return supervisor_.get(); }
  void OnMessage();

  // The supervisor's part: opens the log file again and sends it to the server at the other end of `server`.
  static void ReopenFor(const FileDescriptor& server);

  // What a server sends its supervisor to have the log file opened again.
  static constexpr char kAsk = 'H';

 private:
  FileDescriptor supervisor_;
};

}  // namespace shardfs
