// The operations of the low-level libfuse interface: each translates a request into a call on the tree and its outcome
// into a reply, and does nothing else. Their user data is a Filesystem.
//
// What is not listed is answered ENOSYS by libfuse, which the kernel remembers and does not ask again: flush, locks,
// lseek. Writing operations do not arrive, because the mount is read-only.
#pragma once

#include <fuse_lowlevel.h>

namespace shardfs {

const fuse_lowlevel_ops& Operations();

}  // namespace shardfs
