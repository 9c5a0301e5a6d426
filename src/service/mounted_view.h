// Finding the mount that a command line means, without touching it: it may be dead, or hang.
#pragma once

#include <string>
#include <string_view>

#include "base/mount_table.h"
#include "shardfs/base/result.h"

namespace shardfs {

// The topmost mount on `path`, or on where a symbolic link of that name leads. kInvalidArgument when nothing is mounted
// there ("..., so there is nothing to <purpose>"), or something else than a view of shardfs.
Result<MountEntry> FindMountedView(const std::string& path, std::string_view purpose);

// Whether anything is mounted there.
Result<bool> IsMounted(const std::string& path);

}  // namespace shardfs
