#include "fuse/directory.h"

namespace shardfs {
namespace {

struct ListingEntry {
  const char* name = nullptr;
  NodeId id = kRootNode;
  bool is_dot = false;  // "." or "..", which READDIRPLUS does not look up
};

ListingEntry EntryAt(const VirtualTree& tree, NodeId directory, std::uint64_t position) {
  if (position == 0) return {".", directory, true};
  const VirtualNode& node = tree.node(directory);
  if (position == 1) return {"..", node.parent, true};
  const NodeId child = node.children[position - 2];
  return {tree.node(child).name.c_str(), child, false};
}

}  // namespace

fuse_entry_param EntryOf(const Filesystem& filesystem, NodeId id) {
  fuse_entry_param entry{};
  entry.ino = InodeOf(id);
  entry.generation = GenerationOf(*filesystem.tree, id, filesystem.attributes);
  entry.attr = AttributesOf(*filesystem.tree, id, filesystem.attributes);
  entry.attr_timeout = kCacheSeconds;
  entry.entry_timeout = kCacheSeconds;
  return entry;
}

std::size_t FillListing(fuse_req_t request, const Filesystem& filesystem, NodeId id, std::uint64_t offset,
                        ListingKind kind, std::span<std::byte> buffer) {
  const VirtualTree& tree = *filesystem.tree;
  const std::uint64_t end = tree.node(id).children.size() + 2;
  std::size_t used = 0;
  for (std::uint64_t position = offset; position < end; ++position) {
    const ListingEntry entry = EntryAt(tree, id, position);
    char* const place = reinterpret_cast<char*>(buffer.data() + used);
    const std::size_t room = buffer.size() - used;
    const off_t next = static_cast<off_t>(position + 1);
    fuse_entry_param parameters = EntryOf(filesystem, entry.id);
    std::size_t size = 0;
    if (kind == ListingKind::kNames) {
      size = fuse_add_direntry(request, place, room, entry.name, &parameters.attr, next);
    } else {
      if (entry.is_dot) parameters.ino = 0;
      size = fuse_add_direntry_plus(request, place, room, entry.name, &parameters, next);
    }
    if (size > room) break;  // libfuse has written nothing then
    used += size;
  }
  return used;
}

}  // namespace shardfs
