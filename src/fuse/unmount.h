// Taking a mount away, as root by system call, as any other user by fusermount.
#pragma once

#include <cstdint>
#include <string>

#include "shardfs/base/status.h"

namespace shardfs {

enum class UnmountMode : std::uint8_t {
  kRefuseBusy,  // kIoError when files in it are open
  kLazy,        // out of sight at once; gone when the last file is closed
};

// `mount_point` as CanonicalMountPath gives it. Does not stat it, so a dead mount goes too.
Status Unmount(const std::string& mount_point, UnmountMode mode);

}  // namespace shardfs
