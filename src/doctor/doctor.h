// What shardfs doctor looks at: one probe a question, each of which gives a Finding.
//
// Probes read the machine through DoctorSystem, so that a test can show them a broken one. They change nothing.
#pragma once

#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "console/finding.h"
#include "fuse/mount_description.h"
#include "base/mount_table.h"
#include "shardfs/base/result.h"

namespace shardfs {

struct Room {
  std::uint64_t total = 0;  // bytes
  std::uint64_t free = 0;
  std::uint64_t inodes = 0;  // 0: without a limit, which free_inodes then says nothing of
  std::uint64_t free_inodes = 0;
};

// The room of the file system that a path lies on.
Result<Room> RoomAt(const std::string& path);

// Whether the system's user database (passwd(5), NSS) has an entry of that number.
bool HasPasswdEntry(uid_t user);

struct DoctorSystem {
  std::string root;          // before /dev, /etc, /proc, /sys and /usr; empty for the machine itself
  uid_t user = ::geteuid();  // who mounts
  uid_t administrator = 0;   // whom programs with the set-uid bit must belong to
  dev_t fuse_device = makedev(10, 229);  // of Linux's devices.txt
  std::function<Result<Room>(const std::string&)> room = RoomAt;
  std::function<bool(uid_t)> has_user = HasPasswdEntry;

  std::string At(const std::string& path) const { return root + path; }
};

// What is to be done on the machine, as far as it was said.
struct DoctorTask {
  std::string mount_point;
  std::string source;
  uid_t engine_user = ::geteuid();
  std::uint64_t source_files = 0;  // 0: not known
  std::uint64_t source_bytes = 0;
  std::optional<std::uint64_t> node_bytes;  // of all files that the ranks of a node load, when the sizes are known
  std::uint64_t node_inodes = 0;            // of these files and their directories
  std::optional<MountDescription> view;     // that was asked for, when the sizes are known
  std::string layout;                       // of the view; empty: not known, so any
};

// The value of NAME=VALUE among comma-separated options; nothing when it is not there.
std::optional<std::string> OptionValue(const std::string& options, const std::string& name);

// The mount that `path` (absolute) lies on; the topmost.
inline std::optional<MountWithOptions> MountOf(const DoctorSystem& system, const std::string& path) {
  return MountOf(path, system.root);
}

// FUSE (doctor_fuse.cc)
Finding ProbeDevice(const DoctorSystem& system);
Finding ProbePrivileges(const DoctorSystem& system);
Finding ProbeFusermount(const DoctorSystem& system);
Finding ProbeUser(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeMountMax(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeAllowOther(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeKernel(const DoctorSystem& system);
Finding ProbeReadAhead(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeLog(const DoctorSystem& system);

// Memory and limits (doctor_memory.cc)
Finding ProbeTmpfs(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeInodes(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeHugePages(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeMemory(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeSwap(const DoctorSystem& system);
Finding ProbeOpenFiles(const DoctorSystem& system, const DoctorTask& task);

// A view that is mounted at the mountpoint already: its health, and whether it is the one that was asked for
// (doctor_view.cc)
Finding ProbeView(const DoctorTask& task, const MountEntry& view);

// Places (doctor_places.cc)
std::vector<Finding> ProbeMountPoint(const DoctorSystem& system, const DoctorTask& task);
Finding ProbeSourcePlace(const DoctorSystem& system, const DoctorTask& task);

// All of them; those of a place only where the task has it.
std::vector<Finding> Examine(const DoctorSystem& system, const DoctorTask& task);

}  // namespace shardfs
