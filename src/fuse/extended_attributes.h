// What getxattr() says about the nodes of a view.
//
//   user.shardfs.layout   layout and effective parallel sizes: "mindie dp=2 tp=8 ..."; every node of the view
//   user.shardfs.sources  what a file is made of, at most kListedBytes; a line for each range of a source file, or,
//   when
//                         that would be longer, one for each source file
//   user.shardfs.ranges   the same in at most 64 KiB, where the ranges of most files fit; answered, not listed
//
// The last is not listed, and the second kept short, because copying tools copy what is listed: ext4 has 4 KiB for all
// the attributes of a file, and some tools give up on one that does not fit.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "fuse/filesystem.h"

namespace shardfs {

inline constexpr std::size_t kListedBytes = 3072;
inline constexpr std::size_t kMostXattrBytes = 65536;  // the kernel's XATTR_SIZE_MAX

// Whether there is an attribute of that name on any node; allocates nothing, for the many that the kernel and ls ask
// for in vain ("security.capability").
bool IsExtendedAttribute(std::string_view name);

// The names of the node's listed attributes, each with a NUL behind it.
std::string_view ExtendedAttributeNames(const VirtualNode& node);

// The value, or nothing when the node has no attribute of that name. Throws bad_alloc.
std::optional<std::string> ExtendedAttribute(const Filesystem& filesystem, const VirtualNode& node,
                                             std::string_view name);

// Which bytes of which source files `file` is made of, in at most `limit` bytes. Lines "NAME OFFSET SIZE", source files
// in order of first use, ranges ascending and merged where they touch; or lines "NAME OFFSET SIZE BYTES", where the
// range is the smallest that holds all and BYTES are used of it. White space, '#' and '\' in names are written as in
// /proc/mounts (\040). Where columns of a matrix are taken, the range is the whole matrix. Lines that begin with '#'
// say which of these it is, and what was left out.
std::string DescribeSources(const VirtualFile& file, std::size_t limit);

}  // namespace shardfs
