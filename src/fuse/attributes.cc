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

// FNV-1a of the path, from the last component up, and of what stat() says that may differ between views.
std::uint32_t GenerationOf(const VirtualTree& tree, NodeId id, const AttributeOptions& options) {
  if (id == kRootNode) return 0;
  std::uint32_t digest = 2166136261u;
  const auto add = [&digest](std::uint8_t byte) { digest = (digest ^ byte) * 16777619u; };
  const auto add_number = [&add](std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) add(static_cast<std::uint8_t>(number >> shift));
  };
  for (NodeId at = id; at != kRootNode; at = tree.node(at).parent) {
    for (const char c : tree.node(at).name) add(static_cast<std::uint8_t>(c));
    add('/');
  }
  const struct stat attributes = AttributesOf(tree, id, options);
  add_number(attributes.st_mode & S_IFMT);
  add_number(static_cast<std::uint64_t>(attributes.st_size));
  add_number(static_cast<std::uint64_t>(attributes.st_mtim.tv_sec));
  add_number(static_cast<std::uint64_t>(attributes.st_mtim.tv_nsec));
  return digest;
}

}  // namespace shardfs
