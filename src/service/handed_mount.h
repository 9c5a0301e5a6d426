// A mount that another process has made: a privileged half opens /dev/fuse, calls mount(2) with fd=N, and starts
// shardfs with the descriptor N open (mount.fuse3 -o drop_privileges, the node half of a Kubernetes volume driver).
// This process then serves with neither /dev/fuse nor any capability, and it cannot unmount.
//
// Nothing here looks at the mount point itself: until this process serves, every look at it would wait for this
// process.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mount_table.h"
#include "shardfs/base/result.h"

namespace shardfs {

struct HandedMount {
  std::string mount_point;          // as the mount table writes it where this process sees it; as typed elsewhere
  std::optional<MountEntry> entry;  // nothing where the mount is in a mount namespace that this process does not see
  std::vector<std::string> warnings;
};

// The N of "/dev/fd/N", which mount helpers put in the place of the mount point.
std::optional<int> DescriptorOfPath(std::string_view mount_point);

// kInvalidArgument, with what the other half has to do, unless `descriptor` is an open /dev/fuse whose mount lives and
// has not been served before. Makes the descriptor close-on-exec.
Status CheckFuseDescriptor(int descriptor);

// Returns what this process sees of the mount on `mount_point`.
// kInvalidArgument where `source` is within it or around it.
// Warns of a mount whose modes the kernel does not check, and of one that `shardfs status` will not know.
Result<HandedMount> ExamineHandedMount(const std::string& mount_point, const std::string& source);

// Returns whether `path` is `directory` or below it by their texts, once both are absolute.
bool IsWithinByName(const std::string& path, const std::string& directory);

}  // namespace shardfs
