#include "fuse/operations.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "fuse/directory.h"
#include "fuse/filesystem.h"
#include "fuse/thread_buffer.h"
#include "shardfs/base/checked_math.h"

namespace shardfs {
namespace {

Filesystem& FilesystemOf(fuse_req_t request) { return *static_cast<Filesystem*>(fuse_req_userdata(request)); }

NodeId NodeOf(fuse_ino_t inode) { return static_cast<NodeId>(inode - 1); }

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
  if (!filesystem.Has(parent)) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  NodeId id = kRootNode;
  fuse_entry_param entry{};
  entry.entry_timeout = kCacheSeconds;  // with inode 0: the kernel remembers that there is no such name
  if (filesystem.tree->FindChild(NodeOf(parent), name, &id) != nullptr) entry = EntryOf(filesystem, id);
  fuse_reply_entry(request, &entry);
}

// Inodes are there for as long as the mount, so the kernel's references are not counted.
void Forget(fuse_req_t request, fuse_ino_t, std::uint64_t) { fuse_reply_none(request); }
void ForgetMulti(fuse_req_t request, std::size_t, fuse_forget_data*) { fuse_reply_none(request); }

void GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (!filesystem.Has(inode)) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  const struct stat attributes = AttributesOf(*filesystem.tree, NodeOf(inode), filesystem.attributes);
  fuse_reply_attr(request, &attributes, kCacheSeconds);
}

void Open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (!filesystem.Has(inode)) {
    fuse_reply_err(request, ENOENT);
  } else if (filesystem.tree->node(NodeOf(inode)).is_directory()) {
    fuse_reply_err(request, EISDIR);
  } else if ((info->flags & O_ACCMODE) != O_RDONLY) {
    fuse_reply_err(request, EROFS);
  } else {
    info->keep_cache = 1;  // and never direct_io, which would break shared mappings
    fuse_reply_open(request, info);
  }
}

void Release(fuse_req_t request, fuse_ino_t, fuse_file_info*) { fuse_reply_err(request, 0); }

// Fills `destination`; an errno, or 0. A failure is logged once and counted.
int ReadFile(Filesystem& filesystem, NodeId id, std::uint64_t offset, std::span<std::byte> destination) {
  const Status status = filesystem.tree->node(id).file->ReadAt(offset, destination);
  if (status.ok()) return 0;
  spdlog::error("cannot read {} bytes at offset {} of {}: {}", destination.size(), offset, filesystem.tree->PathOf(id),
                status.message());
  return ToErrno(status.code());
}

void Read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t signed_offset, fuse_file_info*) {
  Filesystem& filesystem = FilesystemOf(request);
  if (!filesystem.Has(inode) || filesystem.tree->node(NodeOf(inode)).is_directory() || signed_offset < 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  const std::uint64_t file_size = filesystem.tree->node(NodeOf(inode)).file->size();
  // A direct read that goes past the end comes in requests of which the last may lie wholly behind it.
  const std::uint64_t offset = std::min(static_cast<std::uint64_t>(signed_offset), file_size);
  const std::size_t length = std::min<std::uint64_t>(size, file_size - offset);
  std::span<std::byte> buffer;
  int error = 0;
  try {
    buffer = ThreadBuffer::Get(length);
    if (length != 0) error = ReadFile(filesystem, NodeOf(inode), offset, buffer);  // else the offset is beyond the end
  } catch (const std::bad_alloc&) {
    spdlog::error("cannot read {} bytes at offset {} of inode {}: out of memory", length, offset, inode);
    error = ENOMEM;
  }
  filesystem.counters.reads.fetch_add(1, std::memory_order_relaxed);
  if (error != 0) {
    filesystem.counters.read_errors.fetch_add(1, std::memory_order_relaxed);
    fuse_reply_err(request, error);
    return;
  }
  filesystem.counters.read_bytes.fetch_add(length, std::memory_order_relaxed);
  fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), length);
}

void OpenDirectory(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (!filesystem.Has(inode)) {
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
  if (!filesystem.Has(inode) || offset < 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  try {
    const std::span<std::byte> buffer = ThreadBuffer::Get(size);
    const std::size_t used =
        FillListing(request, filesystem, NodeOf(inode), static_cast<std::uint64_t>(offset), kind, buffer);
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
    ops.releasedir = Release;
    ops.statfs = StatFs;
    return ops;
  }();
  return operations;
}

}  // namespace shardfs
