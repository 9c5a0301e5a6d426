#include "fuse/status_directory.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <exception>
#include <string>
#include <string_view>

#include "fuse/request.h"
#include "fuse/status_report.h"
#include "shardfs/base/checked_math.h"

namespace shardfs {
namespace {

constexpr const char* kDirectoryName = ".shardfs";

struct StatusFile {
  const char* name;
  std::string (*make)(const StatusReport&);
};
constexpr std::array<StatusFile, 2> kFiles{{{"metrics", ToPrometheus}, {"status.json", ToJson}}};

// Behind the nodes of the view: the directory, then the texts of its files, in the order in which they are made.
std::uint64_t DirectoryInode(const Filesystem& filesystem) { return filesystem.tree->size() + 1; }
std::uint64_t TextInode(const Filesystem& filesystem, const StatusSnapshot& snapshot) {
  return DirectoryInode(filesystem) + snapshot.number * kFiles.size() + snapshot.file;
}
std::uint64_t NumberOf(const Filesystem& filesystem, std::uint64_t inode) {
  return (inode - DirectoryInode(filesystem)) / kFiles.size();
}
std::size_t FileOf(const Filesystem& filesystem, std::uint64_t inode) {
  return (inode - DirectoryInode(filesystem)) % kFiles.size();
}

// What stat() shows of directory and files.
struct stat CommonAttributes(const Filesystem& filesystem, std::uint64_t shown_inode, const timespec& time) {
  struct stat attributes {};
  attributes.st_ino = shown_inode;
  attributes.st_uid = filesystem.attributes.uid;
  attributes.st_gid = filesystem.attributes.gid;
  attributes.st_mtim = time;
  attributes.st_atim = time;
  attributes.st_ctim = time;
  return attributes;
}

struct stat DirectoryAttributes(const Filesystem& filesystem) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  struct stat attributes = CommonAttributes(filesystem, DirectoryInode(filesystem), now);
  attributes.st_mode = S_IFDIR | (filesystem.attributes.directory_mode & 0555);
  attributes.st_nlink = 2;
  return attributes;
}

std::uint64_t ShownInode(const Filesystem& filesystem, std::size_t file) {
  return DirectoryInode(filesystem) + 1 + file;
}

struct stat TextAttributes(const Filesystem& filesystem, const StatusSnapshot& snapshot) {
  struct stat attributes = CommonAttributes(filesystem, ShownInode(filesystem, snapshot.file), snapshot.made);
  attributes.st_mode = S_IFREG | (filesystem.attributes.file_mode & 0444);
  attributes.st_nlink = 1;
  attributes.st_size = static_cast<off_t>(snapshot.text.size());
  attributes.st_blocks = static_cast<blkcnt_t>(CeilDiv(snapshot.text.size(), 512));
  return attributes;
}

fuse_entry_param DirectoryEntry(const Filesystem& filesystem) {
  fuse_entry_param entry{};
  entry.ino = DirectoryInode(filesystem);
  entry.attr = DirectoryAttributes(filesystem);
  entry.attr_timeout = 0;  // the time is always now
  entry.entry_timeout = kCacheSeconds;
  return entry;
}

fuse_entry_param TextEntry(const Filesystem& filesystem, const StatusSnapshot& snapshot) {
  fuse_entry_param entry{};
  entry.ino = TextInode(filesystem, snapshot);
  entry.attr = TextAttributes(filesystem, snapshot);
  entry.attr_timeout = kCacheSeconds;  // this text never changes
  entry.entry_timeout = 0;             // the name leads to another one next time
  return entry;
}

struct ListingEntry {
  const char* name = nullptr;
  std::uint64_t inode = 0;
  mode_t type = S_IFDIR;
};

ListingEntry EntryAt(const Filesystem& filesystem, std::uint64_t position) {
  if (position == 0) return {".", DirectoryInode(filesystem)};
  if (position == 1) return {"..", InodeOf(kRootNode)};
  const std::size_t file = position - 2;
  return {kFiles[file].name, ShownInode(filesystem, file), S_IFREG};
}

// Writes an entry that carries position `next`; the bytes used, 0 when it does not fit.
std::size_t AddEntry(fuse_req_t request, const ListingEntry& entry, std::uint64_t next, ListingKind kind,
                     std::span<std::byte> buffer) {
  fuse_entry_param parameters{};  // with inode 0: READDIRPLUS looks nothing up, so no text is made in vain
  parameters.attr.st_ino = entry.inode;
  parameters.attr.st_mode = entry.type;
  char* const place = reinterpret_cast<char*>(buffer.data());
  const auto position = static_cast<off_t>(next);
  const std::size_t size =
      kind == ListingKind::kNames
          ? fuse_add_direntry(request, place, buffer.size(), entry.name, &parameters.attr, position)
          : fuse_add_direntry_plus(request, place, buffer.size(), entry.name, &parameters, position);
  return size > buffer.size() ? 0 : size;
}

// The entry with a text of `file`; that of number `number` when it is not 0. An errno, or 0.
int LookUpText(Filesystem& filesystem, std::size_t file, std::uint64_t number, pid_t caller, fuse_entry_param& entry) {
  const auto make = [&filesystem, file] { return kFiles[file].make(MakeStatusReport(filesystem)); };
  try {
    StatusSnapshots& snapshots = filesystem.snapshots;
    const StatusSnapshots::Pointer snapshot =
        number != 0 ? snapshots.Revive(number, file, make) : snapshots.LookUp(file, caller, make);
    if (snapshot == nullptr) return number != 0 ? ESTALE : ENFILE;
    entry = TextEntry(filesystem, *snapshot);
    return 0;
  } catch (const std::exception& error) {
    // Out of memory; anything else that nlohmann throws would be a defect, which must not end the daemon.
    spdlog::error("cannot make {}: {}", kDirectoryName, error.what());
    return ENOMEM;
  }
}

// Does what LookUpText does, for any name. `entry` keeps inode 0 when there is no such name, which the kernel may
// remember.
int LookUp(Filesystem& filesystem, std::uint64_t parent, std::string_view name, pid_t caller, fuse_entry_param& entry) {
  entry.entry_timeout = kCacheSeconds;
  const bool is_text = parent > DirectoryInode(filesystem);
  if (parent == InodeOf(kRootNode) || (is_text && name == "..") || (!is_text && name == ".")) {
    entry = DirectoryEntry(filesystem);
    return 0;
  }
  if (is_text) {
    if (name != ".") return ENOTDIR;
    return LookUpText(filesystem, FileOf(filesystem, parent), NumberOf(filesystem, parent), caller, entry);
  }
  if (name == "..") {
    entry = EntryOf(filesystem, kRootNode);
    return 0;
  }
  for (std::size_t i = 0; i < kFiles.size(); ++i) {
    if (name == kFiles[i].name) return LookUpText(filesystem, i, 0, caller, entry);
  }
  return 0;
}

}  // namespace

bool IsStatusNode(const Filesystem& filesystem, std::uint64_t inode) { return inode >= DirectoryInode(filesystem); }

bool IsStatusDirectory(const Filesystem& filesystem, std::uint64_t inode) {
  return inode == DirectoryInode(filesystem);
}

bool IsStatusName(std::uint64_t parent, const char* name, const Filesystem& filesystem) {
  if (IsStatusNode(filesystem, parent)) return true;
  return parent == InodeOf(kRootNode) && std::string_view(name) == kDirectoryName;
}

void LookUpStatusNode(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Filesystem& filesystem = FilesystemOf(request);
  fuse_entry_param entry{};
  const int error = LookUp(filesystem, parent, name, fuse_req_ctx(request)->pid, entry);
  if (error != 0) {
    fuse_reply_err(request, error);
  } else if (fuse_reply_entry(request, &entry) != 0) {  // given up: no FORGET will come
    ForgetStatusNode(filesystem, entry.ino, 1);
  }
}

void GetStatusAttributes(fuse_req_t request, fuse_ino_t inode) {
  const Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusDirectory(filesystem, inode)) {
    const struct stat attributes = DirectoryAttributes(filesystem);
    fuse_reply_attr(request, &attributes, 0);
    return;
  }
  const StatusSnapshots::Pointer snapshot = filesystem.snapshots.Find(NumberOf(filesystem, inode));
  if (snapshot == nullptr) {
    fuse_reply_err(request, ESTALE);
    return;
  }
  const struct stat attributes = TextAttributes(filesystem, *snapshot);
  fuse_reply_attr(request, &attributes, kCacheSeconds);
}

void OpenStatusFile(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  Filesystem& filesystem = FilesystemOf(request);
  if (IsStatusDirectory(filesystem, inode)) {
    fuse_reply_err(request, EISDIR);
  } else if ((info->flags & O_ACCMODE) != O_RDONLY) {
    fuse_reply_err(request, EROFS);
  } else {
    filesystem.snapshots.NoteOpened(NumberOf(filesystem, inode), fuse_req_ctx(request)->pid);
    info->keep_cache = 1;  // this text never changes
    fuse_reply_open(request, info);
  }
}

void ReadStatusFile(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t signed_offset) {
  const Filesystem& filesystem = FilesystemOf(request);
  const StatusSnapshots::Pointer snapshot = filesystem.snapshots.Find(NumberOf(filesystem, inode));
  if (snapshot == nullptr || signed_offset < 0) {
    fuse_reply_err(request, snapshot == nullptr ? ESTALE : EINVAL);
    return;
  }
  const std::string& text = snapshot->text;
  const std::size_t offset = std::min(static_cast<std::size_t>(signed_offset), text.size());
  fuse_reply_buf(request, text.data() + offset, std::min(size, text.size() - offset));
}

void ForgetStatusNode(Filesystem& filesystem, std::uint64_t inode, std::uint64_t references) {
  if (inode > DirectoryInode(filesystem)) filesystem.snapshots.Forget(NumberOf(filesystem, inode), references);
}

std::size_t FillHiddenListing(fuse_req_t request, const Filesystem& filesystem, std::uint64_t offset, ListingKind kind,
                              std::span<std::byte> buffer) {
  const VirtualTree& tree = *filesystem.tree;
  const std::uint64_t end = tree.node(kRootNode).children.size() + 2;
  if (offset != end || tree.FindChild(kRootNode, kDirectoryName, nullptr) != nullptr) return 0;
  return AddEntry(request, {kDirectoryName, DirectoryInode(filesystem)}, end + 1, kind, buffer);
}

std::size_t FillStatusListing(fuse_req_t request, const Filesystem& filesystem, std::uint64_t offset, ListingKind kind,
                              std::span<std::byte> buffer) {
  std::size_t used = 0;
  for (std::uint64_t position = offset; position < kFiles.size() + 2; ++position) {
    const std::size_t size = AddEntry(request, EntryAt(filesystem, position), position + 1, kind, buffer.subspan(used));
    if (size == 0) break;
    used += size;
  }
  return used;
}

}  // namespace shardfs
