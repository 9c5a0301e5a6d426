// Process: a program that is started, timed and waited for; what it prints is kept.
//
// Thread-safety: one thread a Process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs::bench {

struct ProcessResult {
  double seconds = 0;                 // from before fork until it was seen to have ended
  std::uint64_t bytes_from_disk = 0;  // that it and its threads caused to be read from block devices
  std::string out;
};

struct ProcessOptions {
  std::string cgroup_procs;  // a cgroup's cgroup.procs, which the program joins before it starts
  int standard_input = -1;   // stays the caller's; -1 = /dev/null
};

class Process {
 public:
  static Result<Process> Start(const std::vector<std::string>& arguments, const ProcessOptions& options = {});
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();  // kills it where nobody waited

  // Fails when the program exits with anything but 0, with the end of what it wrote to stderr; and when somebody asked
  // to stop, after having passed that on.
  Result<ProcessResult> Wait();

 private:
  Process() = default;

  std::string name_;
  pid_t pid_ = -1;
  double started_ = 0;
  FileDescriptor handle_;  // of the process
  FileDescriptor out_, error_;
};

// Start and Wait.
Result<ProcessResult> RunProcess(const std::vector<std::string>& arguments, const ProcessOptions& options = {});

// CLOCK_MONOTONIC, which all processes share, in seconds.
double Now();

}  // namespace shardfs::bench
