// The directory .shardfs in the root of every mount: the state of the mount as files.
//
//   .shardfs/status.json  as `shardfs status --json` prints it
//   .shardfs/metrics      Prometheus' text format
//
// No listing shows it, so that nobody copies it with the view; who knows the name finds it. Owners and modes are those
// of the view, without write permission. Like files in /proc, these say that their size is 0 and give a text that was
// made when they were opened. A view that has a .shardfs of its own keeps it, and these are not to be found then.
//
// The functions below serve inodes for which IsStatusNode is true; all may be called from any thread.
#pragma once

#include <fuse_lowlevel.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "fuse/directory.h"
#include "fuse/filesystem.h"

namespace shardfs {

bool IsStatusNode(const Filesystem& filesystem, std::uint64_t inode);
bool IsStatusDirectory(const Filesystem& filesystem, std::uint64_t inode);

// The inode of `name` in directory `parent`, which may be of the view or of .shardfs; 0 when it is not one of these.
std::uint64_t FindStatusNode(const Filesystem& filesystem, std::uint64_t parent, const char* name);

struct stat StatusAttributes(const Filesystem& filesystem, std::uint64_t inode);
fuse_entry_param StatusEntry(const Filesystem& filesystem, std::uint64_t inode);

// These answer the request.
void OpenStatusFile(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info);
void ReadStatusFile(fuse_req_t request, std::size_t size, off_t offset, fuse_file_info* info);
void ReleaseStatusFile(fuse_req_t request, fuse_file_info* info);
// As FillListing.
std::size_t FillStatusListing(fuse_req_t request, const Filesystem& filesystem, std::uint64_t offset, ListingKind kind,
                              std::span<std::byte> buffer);

}  // namespace shardfs
