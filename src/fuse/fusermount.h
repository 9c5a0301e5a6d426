// The set-uid program that mounts and unmounts FUSE file systems for users other than root: fusermount3, or FUSE 2's
// fusermount on distributions that have only that.
#pragma once

#include <string>
#include <vector>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

struct Fusermount {
  std::string path;       // absolute
  bool is_fuse2 = false;  // libfuse 3 never runs this one itself
};

// fusermount3 of /usr/bin and then of PATH, as libfuse looks for it; only then fusermount, in the same places.
// kIoError says which package has it and how this distribution installs that. Reads the environment.
Result<Fusermount> FindFusermount();

// Runs it with these arguments, without waiting for it. The child has `inherited` (if valid) as descriptor 3, named by
// the environment variable _FUSE_COMMFD.
Result<pid_t> StartFusermount(const Fusermount& program, const std::vector<std::string>& arguments,
                              const FileDescriptor& inherited);

// The exit code of what StartFusermount has started; 128 and the signal where one has ended it.
Result<int> WaitForFusermount(pid_t pid);

// Mounts on `mount_point` with the `options` of mount(8) and returns the open /dev/fuse of the mount. What goes wrong
// is said by the program on stderr, and kIoError says that it was.
Result<FileDescriptor> MountByFusermount(const Fusermount& program, const std::string& options,
                                         const std::string& mount_point);

}  // namespace shardfs
