// What stat() says about the nodes of a view.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>

#include "shardfs/view/virtual_tree.h"

namespace shardfs {

struct AttributeOptions {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t file_mode = 0440;
  mode_t directory_mode = 0750;
  std::int64_t time_ns = 0;  // access, change and modification time of every node, since the epoch
};

// The kernel's root inode is 1, and a NodeId of 0 is the root. Nodes are never added or removed, so an inode number
// means the same node for the whole life of the mount.
inline std::uint64_t InodeOf(NodeId id) { return std::uint64_t{id} + 1; }

// Returns the number that file handles hold beside the inode: it differs when the inode is another node, as in a mount
// of another view at the same place, and is the same in each mount of the same view. 0 for the root, as the kernel
// demands.
std::uint32_t GenerationOf(const VirtualTree& tree, NodeId id, const AttributeOptions& options);

struct stat AttributesOf(const VirtualTree& tree, NodeId id, const AttributeOptions& options);

}  // namespace shardfs
