#include "fuse/operations.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fuse/directory.h"
#include "fuse/extended_attributes.h"
#include "fuse/filesystem.h"
#include "fuse/request.h"
#include "fuse/status_directory.h"
#include "fuse/thread_buffer.h"
#include "shardfs/base/checked_math.h"

namespace shardfs {
namespace {

// Requests of read-ahead that the kernel may have sent and not yet had answered: some thousand readers' worth. Without
// root it allows as many as /sys/module/fuse/parameters/max_user_bgreq says.
constexpr unsigned kMostBackground = 32768;

// Handle of an open root whose listing has .shardfs. To open a directory by file handle, the kernel lists the one above
// for the name that leads to its inode. It opens that one without any flag, as no program can: programs' opens have
// O_LARGEFILE.
constexpr std::uint64_t kListsStatusDirectory = 1;

void Init(void* user_data, fuse_conn_info* connection) {
  Filesystem& filesystem = *static_cast<Filesystem*>(user_data);
  // With export support, file handles (open_by_handle_at, NFS) outlive the kernel's inodes.
  const unsigned wanted =
      FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS | FUSE_CAP_EXPORT_SUPPORT;
  connection->want |= wanted & connection->capable;
  // Always with attributes: who lists a directory of shards opens them next.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS_AUTO);
  // Contents never change, so nothing has to be thrown away when attributes are asked for again.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_AUTO_INVAL_DATA);
  // Read-ahead of all readers of a source that hangs must not use the number up: the kernel sends no further READ then,
  // and at the threshold it reads no file ahead any more.
  connection->max_background = kMostBackground;
  connection->congestion_threshold = kMostBackground;
  connection->max_read = kMaxReadBytes;  // libfuse wants it here and among the mount options
  if (filesystem.on_init) filesystem.on_init();
}

// The node that `name` leads to from node `from`, if there is one. For a file handle whose inode the kernel has forgotten
// it asks for "." of that inode, which may be a file, and for "..".
std::optional<NodeId> FindNode(const VirtualTree& tree, NodeId from, std::string_view name) {
  if (name == ".") return from;
  if (name == "..") return tree.node(from).parent;
  NodeId id = kRootNode;
  if (tree.FindChild(from, name, &id) == nullptr) return std::nullopt;
  return id;
}

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  const Filesystem& filesystem = FilesystemOf(request);
  std::optional<NodeId> id;
  if (filesystem.Has(parent)) id = FindNode(*filesystem.tree, NodeOf(parent), name);
  if (!id && IsStatusName(parent, name, filesystem)) {
    LookUpStatusNode(request, parent, name);
    return;
  }
  fuse_entry_param entry{};
  entry.entry_timeout = kCacheSeconds;  // with inode 0: the kernel remembers that there is no such name
  if (id) entry = EntryOf(filesystem, *id);
  fuse_reply_entry(request, &entry);
}

// The inodes of the view are there for as long as the mount, so only references to texts of .shardfs are counted.
void Forget(fuse_req_t request, fuse_ino_t inode, std::uint64_t references) {
  ForgetStatusNode(FilesystemOf(request), inode, references);
  fuse_reply_none(request);
}

void ForgetMulti(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  for (const fuse_forget_data& forget : std::span(forgets, count)) {
    ForgetStatusNode(FilesystemOf(request), forget.ino, forget.nlookup);
  }
  fuse_reply_none(request);
}

void GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusNode(filesystem, inode)) {
    GetStatusAttributes(request, inode);
    return;
  }
  if (!filesystem.Has(inode)) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  const struct stat attributes = AttributesOf(*filesystem.tree, NodeOf(inode), filesystem.attributes);
  fuse_reply_attr(request, &attributes, kCacheSeconds);
}

void Open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusNode(filesystem, inode)) {
    OpenStatusFile(request, inode, info);
  } else if (!filesystem.Has(inode)) {
    fuse_reply_err(request, ENOENT);
  } else if (filesystem.tree->node(NodeOf(inode)).is_directory()) {
    fuse_reply_err(request, EISDIR);
  } else if ((info->flags & O_ACCMODE) != O_RDONLY) {
    fuse_reply_err(request, EROFS);
  } else {
    if (filesystem.on_open) filesystem.on_open();
    std::atomic<std::int64_t>& open_files = filesystem.counters.mine().open_files;
    open_files.fetch_add(1, std::memory_order_relaxed);
    info->keep_cache = 1;                       // and never direct_io, which would break shared mappings
    if (fuse_reply_open(request, info) != 0) {  // the opener gave up: no RELEASE will come
      open_files.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

void Release(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  Filesystem& filesystem = FilesystemOf(request);
  if (!IsStatusNode(filesystem, inode)) filesystem.counters.mine().open_files.fetch_sub(1, std::memory_order_relaxed);
  fuse_reply_err(request, 0);
}

void ReleaseDirectory(fuse_req_t request, fuse_ino_t, fuse_file_info*) { fuse_reply_err(request, 0); }

void Read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusNode(filesystem, inode)) {
    ReadStatusFile(request, inode, size, offset);
  } else if (!filesystem.Has(inode) || filesystem.tree->node(NodeOf(inode)).is_directory() || offset < 0) {
    fuse_reply_err(request, EINVAL);
  } else {
    FilesystemOf(request).reads->Submit({request, inode, size, offset});
  }
}

void OpenDirectory(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusDirectory(filesystem, inode)) {
    fuse_reply_open(request, info);
  } else if (IsStatusNode(filesystem, inode)) {
    fuse_reply_err(request, ENOTDIR);
  } else if (!filesystem.Has(inode)) {
    fuse_reply_err(request, ENOENT);
  } else if (!filesystem.tree->node(NodeOf(inode)).is_directory()) {
    fuse_reply_err(request, ENOTDIR);
  } else if (inode == InodeOf(kRootNode) && info->flags == O_RDONLY) {
    info->fh = kListsStatusDirectory;
    fuse_reply_open(request, info);
  } else {
    info->cache_readdir = 1;
    info->keep_cache = 1;
    fuse_reply_open(request, info);
  }
}

void List(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, ListingKind kind, std::uint64_t handle) {
  const Filesystem& filesystem = FilesystemOf(request);
  const bool is_status = IsStatusDirectory(filesystem, inode);
  if ((!is_status && !filesystem.Has(inode)) || offset < 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  try {
    const auto position = static_cast<std::uint64_t>(offset);
    const std::span<std::byte> buffer = ThreadBuffer::Get(size);
    std::size_t used = is_status ? FillStatusListing(request, filesystem, position, kind, buffer)
                                 : FillListing(request, filesystem, NodeOf(inode), position, kind, buffer);
    if (used == 0 && handle == kListsStatusDirectory) used = FillHiddenListing(request, filesystem, position, kind, buffer);
    fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), used);
  } catch (const std::bad_alloc&) {
    fuse_reply_err(request, ENOMEM);
  }
}

void ReadDirectory(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info* info) {
  List(request, inode, size, offset, ListingKind::kNames, info->fh);
}

void ReadDirectoryPlus(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info* info) {
  List(request, inode, size, offset, ListingKind::kWithAttributes, info->fh);
}

void StatFs(fuse_req_t request, fuse_ino_t) {
  constexpr std::uint64_t kBlock = 4096;
  const VirtualTree& tree = *FilesystemOf(request).tree;
  struct statvfs statistics {};
  statistics.f_bsize = kBlock;
  statistics.f_frsize = kBlock;
  statistics.f_blocks = CeilDiv(tree.total_file_bytes(), kBlock);
  statistics.f_files = tree.size();
  statistics.f_namemax = 255;
  fuse_reply_statfs(request, &statistics);
}

// A request for an attribute's value, or with size 0 for how long it is.
void ReplyAttribute(fuse_req_t request, std::string_view value, std::size_t size) {
  if (size == 0) {
    fuse_reply_xattr(request, value.size());
  } else if (size < value.size()) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, value.data(), value.size());
  }
}

void GetExtendedAttribute(fuse_req_t request, fuse_ino_t inode, const char* name, std::size_t size) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (!IsExtendedAttribute(name) || !filesystem.Has(inode)) {
    fuse_reply_err(request, ENODATA);
    return;
  }
  std::optional<std::string> value;
  try {
    value = ExtendedAttribute(filesystem, filesystem.tree->node(NodeOf(inode)), name);
  } catch (const std::bad_alloc&) {
    fuse_reply_err(request, ENOMEM);
    return;
  }
  if (value) {
    ReplyAttribute(request, *value, size);
  } else {
    fuse_reply_err(request, ENODATA);
  }
}

void ListExtendedAttributes(fuse_req_t request, fuse_ino_t inode, std::size_t size) {
  const Filesystem& filesystem = FilesystemOf(request);
  std::string_view names;
  if (filesystem.Has(inode)) names = ExtendedAttributeNames(filesystem.tree->node(NodeOf(inode)));
  ReplyAttribute(request, names, size);
}

}  // namespace

const fuse_lowlevel_ops& Operations() {
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops ops{};
    ops.init = Init;
    ops.lookup = Lookup;
    ops.forget = Forget;
    ops.forget_multi = ForgetMulti;
    ops.getattr = GetAttributes;
    ops.open = Open;
    ops.read = Read;
    ops.release = Release;
    ops.opendir = OpenDirectory;
    ops.readdir = ReadDirectory;
    ops.readdirplus = ReadDirectoryPlus;
    ops.releasedir = ReleaseDirectory;
    ops.statfs = StatFs;
    ops.getxattr = GetExtendedAttribute;
    ops.listxattr = ListExtendedAttributes;
    return ops;
  }();
  return operations;
}

}  // namespace shardfs
