// The directory .shardfs in the root of every mount: the state of the mount as files.
//
//   .shardfs/status.json  as `shardfs status --json` prints it
//   .shardfs/metrics      Prometheus' text format
//
// No listing of the root shows it, so that no copy of the view includes it; a look-up of the name finds it. Owners and
// modes are those of the view, without write permission. A view that has a .shardfs of its own keeps it, and these are
// not to be found then.
//
// Unlike files in /proc these have a size, because programs that splice, map or send a file read up to its size only.
// Each look-up of a name makes a text, which has an inode number towards the kernel of its own (status_snapshots.h), so
// reads go through the page cache, and never by direct_io, which older kernels refuse to map and newer ones ignore when
// they splice. stat() shows one inode number for all texts of a file: cp compares it before and after it opens one.
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

// Whether a LOOKUP of `name` in `parent` is for LookUpStatusNode: .shardfs in the root, and all in .shardfs. `name` may
// be "." or "..", by which the kernel finds the inode of a file handle, and its directory.
bool IsStatusName(std::uint64_t parent, const char* name, const Filesystem& filesystem);

// These answer the request.
void LookUpStatusNode(fuse_req_t request, fuse_ino_t parent, const char* name);
void GetStatusAttributes(fuse_req_t request, fuse_ino_t inode);
void OpenStatusFile(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info);
void ReadStatusFile(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset);

// The kernel has given back `references` of those that look-ups gave it.
void ForgetStatusNode(Filesystem& filesystem, std::uint64_t inode, std::uint64_t references);
// What comes behind the last entry of the root in a listing that has .shardfs; as FillListing.
std::size_t FillHiddenListing(fuse_req_t request, const Filesystem& filesystem, std::uint64_t offset, ListingKind kind,
                              std::span<std::byte> buffer);
// As FillListing.
std::size_t FillStatusListing(fuse_req_t request, const Filesystem& filesystem, std::uint64_t offset, ListingKind kind,
                              std::span<std::byte> buffer);

}  // namespace shardfs
