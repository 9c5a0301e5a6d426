// What a directory must be to be mounted on, checked before anything is opened or started.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

// The canonical path of `mount_point`, or why it cannot be used (kInvalidArgument): it is missing, no directory, a
// symbolic link, a mount already, inside `source`, around `source`, or not empty. May start a thread when it refuses.
Result<std::string> CheckMountPoint(const std::string& mount_point, const std::string& source);

// What MindIE would refuse of a model in `path` with these modes (spec/mindie-weight-sharder.md, section 6). Others may
// use the view as well, so these are warnings.
std::vector<std::string> MindieWarnings(const std::string& path, mode_t file_mode, mode_t directory_mode);

// Whether `path` is `directory` or lies in it; both canonical.
bool IsWithin(const std::string& path, const std::string& directory);

}  // namespace shardfs
