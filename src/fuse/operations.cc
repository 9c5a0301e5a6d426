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
#include "fuse/read_request.h"
#include "fuse/request.h"
#include "fuse/status_directory.h"
#include "fuse/thread_buffer.h"
#include "shardfs/base/checked_math.h"

namespace shardfs {
namespace {

void Init(void* user_data, fuse_conn_info* connection) {
  Filesystem& filesystem = *static_cast<Filesystem*>(user_data);
  const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS;
  connection->want |= wanted & connection->capable;
  // Always with attributes: who lists a directory of shards opens them next.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS_AUTO);
  // Contents never change, so nothing has to be thrown away when attributes are asked for again.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_AUTO_INVAL_DATA);
  // Read-ahead of many ranks at once; the kernel's default of 12 requests for the whole mount is too few.
  connection->max_background = 2 * filesystem.max_threads;
  connection->congestion_threshold = connection->max_background * 3 / 4;
  connection->max_read = kMaxReadBytes;  // libfuse wants it here and among the mount options
  if (filesystem.on_init) filesystem.on_init();
}

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  const Filesystem& filesystem = FilesystemOf(request);
  NodeId id = kRootNode;
  fuse_entry_param entry{};
  entry.entry_timeout = kCacheSeconds;  // with inode 0: the kernel remembers that there is no such name
  if (filesystem.Has(parent) && filesystem.tree->FindChild(NodeOf(parent), name, &id) != nullptr) {
    entry = EntryOf(filesystem, id);
  } else if (const std::uint64_t inode = FindStatusNode(filesystem, parent, name); inode != 0) {
    entry = StatusEntry(filesystem, inode);
  }
  fuse_reply_entry(request, &entry);
}

// Inodes are there for as long as the mount, so the kernel's references are not counted.
void Forget(fuse_req_t request, fuse_ino_t, std::uint64_t) { fuse_reply_none(request); }
void ForgetMulti(fuse_req_t request, std::size_t, fuse_forget_data*) { fuse_reply_none(request); }

void GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusNode(filesystem, inode)) {
    const struct stat attributes = StatusAttributes(filesystem, inode);
    fuse_reply_attr(request, &attributes, 0);
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
    std::atomic<std::int64_t>& open_files = filesystem.counters.open_files;
    open_files.fetch_add(1, std::memory_order_relaxed);
    info->keep_cache = 1;                       // and never direct_io, which would break shared mappings
    if (fuse_reply_open(request, info) != 0) {  // the opener gave up: no RELEASE will come
      open_files.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

void Release(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusNode(filesystem, inode)) {
    ReleaseStatusFile(request, info);
    return;
  }
  filesystem.counters.open_files.fetch_sub(1, std::memory_order_relaxed);
  fuse_reply_err(request, 0);
}

void ReleaseDirectory(fuse_req_t request, fuse_ino_t, fuse_file_info*) { fuse_reply_err(request, 0); }

void Read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info* info) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusNode(filesystem, inode)) {
    ReadStatusFile(request, size, offset, info);
  } else if (!filesystem.Has(inode) || filesystem.tree->node(NodeOf(inode)).is_directory() || offset < 0) {
    fuse_reply_err(request, EINVAL);
  } else {
    ReadViewFile(request, inode, size, offset);
  }
}

void OpenDirectory(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusDirectory(filesystem, inode)) {
    fuse_reply_open(request, info);
  } else if (!filesystem.Has(inode)) {
    fuse_reply_err(request, ENOENT);
  } else if (!filesystem.tree->node(NodeOf(inode)).is_directory()) {
    fuse_reply_err(request, ENOTDIR);
  } else {
    info->cache_readdir = 1;
    info->keep_cache = 1;
    fuse_reply_open(request, info);
  }
}

void List(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, ListingKind kind) {
  const Filesystem& filesystem = FilesystemOf(request);
  const bool is_status = IsStatusDirectory(filesystem, inode);
  if ((!is_status && !filesystem.Has(inode)) || offset < 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  try {
    const auto position = static_cast<std::uint64_t>(offset);
    const std::span<std::byte> buffer = ThreadBuffer::Get(size);
    const std::size_t used = is_status ? FillStatusListing(request, filesystem, position, kind, buffer)
                                       : FillListing(request, filesystem, NodeOf(inode), position, kind, buffer);
    fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), used);
  } catch (const std::bad_alloc&) {
    fuse_reply_err(request, ENOMEM);
  }
}

void ReadDirectory(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  List(request, inode, size, offset, ListingKind::kNames);
}

void ReadDirectoryPlus(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  List(request, inode, size, offset, ListingKind::kWithAttributes);
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
