#include "fuse/attributes.h"

#include "shardfs/base/checked_math.h"

namespace shardfs {

struct stat AttributesOf(const VirtualTree& tree, NodeId id, const AttributeOptions& options) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const VirtualNode& node = tree.node(id);
  struct stat attributes {};
  attributes.st_ino = InodeOf(id);
  attributes.st_uid = options.uid;
  attributes.st_gid = options.gid;
  if (node.is_directory()) {
    attributes.st_mode = S_IFDIR | options.directory_mode;
    attributes.st_nlink = 2 + static_cast<nlink_t>(node.subdirectories);
  } else {
    attributes.st_mode = S_IFREG | options.file_mode;
    attributes.st_nlink = 1;
    attributes.st_size = static_cast<off_t>(node.file->size());
    attributes.st_blocks = static_cast<blkcnt_t>(CeilDiv(node.file->size(), 512));
  }
  attributes.st_mtim.tv_sec = options.time_ns / kSecond;
  attributes.st_mtim.tv_nsec = options.time_ns % kSecond;
  attributes.st_atim = attributes.st_mtim;
  attributes.st_ctim = attributes.st_mtim;
  // st_blksize stays 0, which is the kernel's default: a larger one makes cp outrun the read-ahead window.
  return attributes;
}

}  // namespace shardfs
