// What a directory must be to be mounted on, checked before anything is opened or started.
#pragma once

#include <string>
#include <vector>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

// The canonical path of `mount_point`, or why it cannot be used (kInvalidArgument): it is missing, no directory, a
// symbolic link, a mount already, inside `source`, around `source`, or not empty. May start a thread when it refuses.
Result<std::string> CheckMountPoint(const std::string& mount_point, const std::string& source);

// Lets one of several processes that mount on `path` at once through at a time: the others wait until what this
// returns is closed, which is as soon as the mount is in the mount table, and are refused then (kInvalidArgument).
// `path` as CheckMountPoint gives it. The descriptor is of the directory that the mount covers, so it keeps no mount
// busy; where a directory cannot be opened or locked, nobody waits.
Result<FileDescriptor> LockMountPoint(const std::string& path);

}  // namespace shardfs
