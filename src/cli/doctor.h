// What shardfs doctor looks at: one probe a question, each of which gives a Finding.
//
// Probes read the machine through DoctorSystem, so that a test can show them a broken one. They change nothing.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/finding.h"
#include "fuse/mount_table.h"
#include "shardfs/base/result.h"

namespace shardfs {

struct Room {
  std::uint64_t total = 0;  // bytes
  std::uint64_t free = 0;
};

// The room of the file system that a path lies on.
Result<Room> RoomAt(const std::string& path);

struct DoctorSystem {
  std::string root;          // before /dev, /etc, /proc, /sys and /usr; empty for the machine itself
  uid_t user = ::geteuid();  // who mounts
  uid_t administrator = 0;   // whom programs with the set-uid bit must belong to
  std::function<Result<Room>(const std::string&)> room = RoomAt;

  std::string At(const std::string& path) const { return root + path; }
};

// What is to be done on the machine, as far as it was said.
struct DoctorTask {
  std::string mount_point;
  std::string source;
  uid_t mindie_user = ::geteuid();
  std::uint64_t source_files = 0;  // 0: not known
  std::uint64_t source_bytes = 0;
  std::optional<std::uint64_t> node_bytes;  // of all files that the ranks of a node load, when the sizes are known
};

// A mount of /proc/self/mountinfo with the options of its file system.
struct MountWithOptions {
  MountEntry entry;
  std::string super_options;  // "rw,size=24684096k,huge=advise"
};

// The value of NAME=VALUE among comma-separated options; nothing when it is not there.
std::optional<std::string> OptionValue(const std::string& options, const std::string& name);

// The mount that `path` (absolute) lies on; the topmost.
std::optional<MountWithOptions> MountOf(const DoctorSystem& system, const std::string& path);

// FUSE (doctor_fuse.cc)
Finding ProbeDevice(const DoctorSystem& system);
Finding ProbePrivileges(const DoctorSystem& system);
Finding ProbeFusermount(const DoctorSystem& system);
Finding ProbeAllowOther(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeKernel(const DoctorSystem& system);
Finding ProbeReadAhead(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeLog(const DoctorSystem& system);

// Memory and limits (doctor_memory.cc)
Finding ProbeTmpfs(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeHugePages(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeMemory(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeSwap(const DoctorSystem& system);
Finding ProbeOpenFiles(const DoctorSystem& system, const DoctorTask& task);

// Places (doctor_places.cc)
std::vector<Finding> ProbeMountPoint(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeSourcePlace(const DoctorSystem& system, const DoctorTask& task);

// All of them; those of a place only where the task has it.
std::vector<Finding> Examine(const DoctorSystem& system, const DoctorTask& task);

}  // namespace shardfs
