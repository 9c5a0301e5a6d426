// What getxattr() says about the nodes of a view.
//
//   user.shardfs.layout     layout and effective parallel sizes: "mindie dp=2 tp=8 ..."; every node of the view
//   user.shardfs.sources    what a file is made of: a line for each range of a source file. A value may have 64 KiB; the
//                           last line of one that does not hold all names the attribute that goes on:
//   user.shardfs.sources.2  the second 64 KiB, and so on
//
// listxattr() names the sources only where their value is short, and the further ones never: copying tools copy what is
// listed, ext4 has 4 KiB for all the attributes of a file, and some tools give up on one that does not fit. getxattr()
// answers for all of them.
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

// The names of the node's listed attributes, each with a NUL behind it. Takes a few microseconds for a file whose ranges
// are many; allocates nothing.
std::string_view ExtendedAttributeNames(const VirtualNode& node);

// The value, or nothing when the node has no attribute of that name. Throws bad_alloc.
std::optional<std::string> ExtendedAttribute(const Filesystem& filesystem, const VirtualNode& node,
                                             std::string_view name);

// Which bytes of which source files `file` is made of, in lines "NAME OFFSET SIZE": source files in order of first use,
// ranges ascending and merged where they touch. White space, '#' and '\' in names are written as in /proc/mounts
// (\040). Where columns of a matrix are taken, the range is the whole matrix. This is page `page`, from 1 on, of at most
// `limit` bytes each, which must have room for a line and a remark; nothing behind the last page. A line that begins
// with '#' says what a page does not have.
std::optional<std::string> DescribeSources(const VirtualFile& file, std::size_t page, std::size_t limit);

}  // namespace shardfs
