// LogFileSink: the log of a mount as a file, which may be full, be rotated away, or be a pipe that is not read.
//
// No line keeps the caller waiting, and none is reported one by one when it cannot be written: lost lines are counted,
// and the next line that can be written stands behind one that says how many were lost and why. Thread-safe.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

// Opens a file to append lines to, and makes it where it is missing; its directory must be there. kInvalidArgument for
// what cannot be a log: a directory, a socket, a disk, and a FIFO that no process reads, which would be waited for.
Result<FileDescriptor> OpenLogFile(const std::string& path);

class LogFileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LogFileSink(FileDescriptor file) : file_(std::move(file)) {}

  // Has the lines from now on go to `file`.
  void Use(FileDescriptor file);

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  void WriteMessage(const spdlog::details::log_msg& message);
  bool Write(std::string_view line);

  FileDescriptor file_;
  std::uint64_t lost_ = 0;  // lines, since the last one that was written
  int error_ = 0;           // why
  bool torn_ = false;       // the last line was written in part
};

}  // namespace shardfs
