#include "fuse/status_directory.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "fuse/request.h"
#include "fuse/status_report.h"

namespace shardfs {
namespace {

constexpr const char* kDirectoryName = ".shardfs";

struct StatusFile {
  const char* name;
  std::string (*make)(const StatusReport&);
};
constexpr std::array<StatusFile, 2> kFiles{{{"metrics", ToPrometheus}, {"status.json", ToJson}}};

// Behind the nodes of the view: the directory, then its files.
std::uint64_t DirectoryInode(const Filesystem& filesystem) { return filesystem.tree->size() + 1; }
std::uint64_t FileInode(const Filesystem& filesystem, std::size_t file) {
  return DirectoryInode(filesystem) + 1 + file;
}

struct ListingEntry {
  const char* name = nullptr;
  std::uint64_t inode = 0;
};

ListingEntry EntryAt(const Filesystem& filesystem, std::uint64_t position) {
  if (position == 0) return {".", DirectoryInode(filesystem)};
  if (position == 1) return {"..", InodeOf(kRootNode)};
  return {kFiles[position - 2].name, FileInode(filesystem, position - 2)};
}

}  // namespace

bool IsStatusNode(const Filesystem& filesystem, std::uint64_t inode) {
  return inode >= DirectoryInode(filesystem) && inode <= FileInode(filesystem, kFiles.size() - 1);
}

bool IsStatusDirectory(const Filesystem& filesystem, std::uint64_t inode) {
  return inode == DirectoryInode(filesystem);
}

std::uint64_t FindStatusNode(const Filesystem& filesystem, std::uint64_t parent, const char* name) {
  if (parent == InodeOf(kRootNode)) {
    return std::string_view(name) == kDirectoryName ? DirectoryInode(filesystem) : 0;
  }
  if (!IsStatusDirectory(filesystem, parent)) return 0;
  for (std::size_t i = 0; i < kFiles.size(); ++i) {
    if (std::string_view(name) == kFiles[i].name) return FileInode(filesystem, i);
  }
  return 0;
}

struct stat StatusAttributes(const Filesystem& filesystem, std::uint64_t inode) {
  const AttributeOptions& options = filesystem.attributes;
  struct stat attributes {};
  attributes.st_ino = inode;
  attributes.st_uid = options.uid;
  attributes.st_gid = options.gid;
  if (IsStatusDirectory(filesystem, inode)) {
    attributes.st_mode = S_IFDIR | (options.directory_mode & 0555);
    attributes.st_nlink = 2;
  } else {
    attributes.st_mode = S_IFREG | (options.file_mode & 0444);
    attributes.st_nlink = 1;
  }
  ::clock_gettime(CLOCK_REALTIME, &attributes.st_mtim);
  attributes.st_atim = attributes.st_mtim;
  attributes.st_ctim = attributes.st_mtim;
  return attributes;
}

fuse_entry_param StatusEntry(const Filesystem& filesystem, std::uint64_t inode) {
  fuse_entry_param entry{};
  entry.ino = inode;
  entry.attr = StatusAttributes(filesystem, inode);
  entry.attr_timeout = 0;  // the time is always now
  entry.entry_timeout = kCacheSeconds;
  return entry;
}

void OpenStatusFile(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusDirectory(filesystem, inode)) {
    fuse_reply_err(request, EISDIR);
    return;
  }
  if ((info->flags & O_ACCMODE) != O_RDONLY) {
    fuse_reply_err(request, EROFS);
    return;
  }
  try {
    const StatusFile& file = kFiles[inode - FileInode(filesystem, 0)];
    info->fh = filesystem.snapshots.Add(file.make(MakeStatusReport(filesystem)));
  } catch (const std::exception& error) {
    // Out of memory; anything else that nlohmann throws would be a defect, which must not end the daemon.
    spdlog::error("cannot make {}: {}", kDirectoryName, error.what());
    fuse_reply_err(request, ENOMEM);
    return;
  }
  if (info->fh == 0) {
    fuse_reply_err(request, ENFILE);
    return;
  }
  info->direct_io = 1;  // the size is not known to the kernel, and the text is another one each time
  const std::uint64_t number = info->fh;
  if (fuse_reply_open(request, info) != 0) filesystem.snapshots.Remove(number);  // given up: no RELEASE will come
}

void ReadStatusFile(fuse_req_t request, std::size_t size, off_t signed_offset, fuse_file_info* info) {
  const std::shared_ptr<const std::string> text = FilesystemOf(request).snapshots.Find(info->fh);
  if (text == nullptr || signed_offset < 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  const std::size_t offset = std::min(static_cast<std::size_t>(signed_offset), text->size());
  fuse_reply_buf(request, text->data() + offset, std::min(size, text->size() - offset));
}

void ReleaseStatusFile(fuse_req_t request, fuse_file_info* info) {
  FilesystemOf(request).snapshots.Remove(info->fh);
  fuse_reply_err(request, 0);
}

std::size_t FillStatusListing(fuse_req_t request, const Filesystem& filesystem, std::uint64_t offset, ListingKind kind,
                              std::span<std::byte> buffer) {
  std::size_t used = 0;
  for (std::uint64_t position = offset; position < kFiles.size() + 2; ++position) {
    const ListingEntry entry = EntryAt(filesystem, position);
    fuse_entry_param parameters =
        entry.inode == InodeOf(kRootNode) ? EntryOf(filesystem, kRootNode) : StatusEntry(filesystem, entry.inode);
    char* const place = reinterpret_cast<char*>(buffer.data() + used);
    const std::size_t room = buffer.size() - used;
    const off_t next = static_cast<off_t>(position + 1);
    if (position < 2) parameters.ino = 0;  // READDIRPLUS does not look these up
    const std::size_t needed = kind == ListingKind::kNames
                                   ? fuse_add_direntry(request, place, room, entry.name, &parameters.attr, next)
                                   : fuse_add_direntry_plus(request, place, room, entry.name, &parameters, next);
    if (needed > room) break;
    used += needed;
  }
  return used;
}

}  // namespace shardfs
