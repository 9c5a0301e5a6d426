#include "checkpoint/directory_listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/quote_name.h"

namespace shardfs {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// A link that leads to no file is no regular file; a file system that fails says nothing of what the name stands for.
bool LeadsNowhere(int error_number) {
  return error_number == ENOENT || error_number == ENOTDIR || error_number == ELOOP || error_number == EACCES ||
         error_number == ENAMETOOLONG;
}

Result<DirectoryEntry> Describe(int directory_fd, std::string name) {
  DirectoryEntry entry{.name = std::move(name)};
  struct stat attributes = {};
  if (::fstatat(directory_fd, entry.name.c_str(), &attributes, 0) != 0) {
    if (LeadsNowhere(errno)) return entry;
    return Status::FromErrno(errno, "cannot look at " + QuoteName(entry.name));
  }
  entry.is_regular = S_ISREG(attributes.st_mode);
  if (entry.is_regular) entry.size = static_cast<std::uint64_t>(attributes.st_size);
  return entry;
}

}  // namespace

Result<std::vector<std::string>> ListNames(int directory_fd) {
  // A descriptor of its own: reading moves the position, and closedir closes it.
  FileDescriptor fd(::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return Status::FromErrno(errno, "cannot open the directory");
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd.get()));
  if (directory == nullptr) return Status::FromErrno(errno, "cannot list the directory");
  static_cast<void>(fd.release());  // closedir's now
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  if (errno != 0) return Status::FromErrno(errno, "cannot list the directory");
  std::sort(names.begin(), names.end());
  return names;
}

bool IsShardName(std::string_view name) {
  return IsPlainName(name) && !name.starts_with('.') && name.ends_with(".safetensors");
}

Result<DirectoryListing> ListDirectory(int directory_fd) {
  SHARDFS_ASSIGN_OR_RETURN(std::vector<std::string> names, ListNames(directory_fd));
  DirectoryListing listing;
  for (std::string& name : names) {
    if (IsShardName(name)) {
      listing.shards.push_back(std::move(name));
    } else if (!name.starts_with('.') && name.ends_with(".safetensors.index.json")) {
      listing.indices.push_back(std::move(name));
    } else {
      SHARDFS_ASSIGN_OR_RETURN(DirectoryEntry entry, Describe(directory_fd, std::move(name)));
      listing.others.push_back(std::move(entry));
    }
  }
  return listing;
}

}  // namespace shardfs
