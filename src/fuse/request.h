// What every operation begins with: the file system that a request is for, and the node that it names.
#pragma once

#include <fuse_lowlevel.h>

#include "fuse/filesystem.h"

namespace shardfs {

inline Filesystem& FilesystemOf(fuse_req_t request) { return *static_cast<Filesystem*>(fuse_req_userdata(request)); }

inline NodeId NodeOf(fuse_ino_t inode) { return static_cast<NodeId>(inode - 1); }

}  // namespace shardfs
