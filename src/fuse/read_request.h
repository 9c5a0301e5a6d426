// READ of a file of the view.
#pragma once

#include <fuse_lowlevel.h>

#include <cstddef>

namespace shardfs {

// Called by the ReadScheduler, on a thread that may wait for the sources. Answers the request: the bytes, fewer only at
// the end of the file, or an error, which is logged once (path in the view, offset, length, source file, offset there,
// cause) and counted. Allocates nothing unless it fails.
void ReadViewFile(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset);

}  // namespace shardfs
