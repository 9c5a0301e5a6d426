#include "service/mount_point.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <thread>

#include "base/path_within.h"
#include "fuse/dead_mount.h"
#include "base/mount_table.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

Status CheckNotMounted(const std::string& path) {
  SHARDFS_ASSIGN_OR_RETURN(const std::optional<MountEntry> mounted, FindMount(path));
  if (!mounted) return Status::Ok();
  if (mounted->type == kShardfsType && IsDeadMount(path)) {
    return Status::InvalidArgument("the mountpoint " + path + " is a mount already, and a dead one: its daemon has " +
                                   "ended; run `shardfs umount " + path + "`, then mount again");
  }
  return Status::InvalidArgument("the mountpoint " + path + " is a mount already (" + mounted->type + " of " +
                                 mounted->source + "); unmount it first, or choose another directory");
}

Status CheckIsPlainDirectory(const std::string& path) {
  struct stat attributes {};
  if (::lstat(path.c_str(), &attributes) != 0) {
    if (errno == ENOENT) {
      return Status::InvalidArgument("the mountpoint " + path + " does not exist; create an empty directory there");
    }
    return Status::InvalidArgument("the mountpoint " + path +
                                   " cannot be used: " + std::generic_category().message(errno));
  }
  if (S_ISLNK(attributes.st_mode)) {
    return Status::InvalidArgument("the mountpoint " + path +
                                   " is a symbolic link; give the directory that it leads to");
  }
  if (!S_ISDIR(attributes.st_mode)) return Status::InvalidArgument("the mountpoint " + path + " is not a directory");
  return Status::Ok();
}

Status CheckApartFromSource(const std::string& path, const std::string& source) {
  std::error_code error;
  const std::string canonical_source = fs::canonical(source, error).string();
  if (error) return Status::Ok();  // opening the checkpoint will say what is wrong with it
  if (IsWithin(path, canonical_source)) {
    return Status::InvalidArgument("the mountpoint " + path + " is inside the source " + canonical_source +
                                   "; choose a directory elsewhere");
  }
  if (IsWithin(canonical_source, path)) {
    return Status::InvalidArgument("the mountpoint " + path + " contains the source " + canonical_source +
                                   ", which the mount would hide; choose a directory elsewhere");
  }
  return Status::Ok();
}

Status CheckEmpty(const std::string& path) {
  std::error_code error;
  const fs::directory_iterator entries(path, error);
  if (error) return Status::InvalidArgument("the mountpoint " + path + " cannot be listed: " + error.message());
  if (entries != fs::directory_iterator()) {
    return Status::InvalidArgument("the mountpoint " + path + " is not empty: it holds " +
                                   entries->path().filename().string() + "; give an empty directory");
  }
  return Status::Ok();
}

}  // namespace

Result<std::string> CheckMountPoint(const std::string& mount_point, const std::string& source) {
  const Result<std::string> canonical = CanonicalMountPath(mount_point);
  if (!canonical.ok()) {
    return Status::InvalidArgument("the mountpoint " + mount_point +
                                   " does not exist: " + std::string(canonical.status().message()));
  }
  const std::string& path = *canonical;
  SHARDFS_RETURN_IF_ERROR(CheckNotMounted(path));
  SHARDFS_RETURN_IF_ERROR(CheckIsPlainDirectory(path));
  SHARDFS_RETURN_IF_ERROR(CheckApartFromSource(path, source));
  if (const Status empty = CheckEmpty(path); !empty.ok()) {
    SHARDFS_RETURN_IF_ERROR(CheckNotMounted(path));  // what it holds may have been mounted just now
    return empty;
  }
  return path;
}

Result<FileDescriptor> LockMountPoint(const std::string& path) {
  constexpr std::chrono::seconds kPatience{10};  // a mount takes milliseconds
  constexpr std::chrono::milliseconds kPause{5};
  SHARDFS_RETURN_IF_ERROR(CheckNotMounted(path));  // opening what is mounted could take for ever
  FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  // Whoever may read the directory can lock it, and is not to keep it from being mounted on.
  while (directory.valid() && ::flock(directory.get(), LOCK_EX | LOCK_NB) != 0 &&
         (errno == EWOULDBLOCK || errno == EINTR) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
  }
  SHARDFS_RETURN_IF_ERROR(CheckNotMounted(path));
  return directory;
}

}  // namespace shardfs
