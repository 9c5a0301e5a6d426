#include "service/mount_point.h"

#include <fcntl.h>
#include <fmt/format.h>
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
    return Status::InvalidArgument(
        fmt::format("the mountpoint {} is a mount already, and a dead one: its daemon has ended; run `shardfs umount "
                    "{}`, then mount again",
                    path, path));
  }
  return Status::InvalidArgument(
      fmt::format("the mountpoint {} is a mount already ({} of {}); unmount it first, or choose another directory", path,
                  mounted->type, mounted->source));
}

Status CheckIsPlainDirectory(const std::string& path) {
  struct stat attributes {};
  if (::lstat(path.c_str(), &attributes) != 0) {
    if (errno == ENOENT) {
      return Status::InvalidArgument(fmt::format("the mountpoint {} does not exist; run mkdir -p {}", path, path));
    }
    return Status::InvalidArgument(
        fmt::format("the mountpoint {} cannot be used: {}", path, std::generic_category().message(errno)));
  }
  if (S_ISLNK(attributes.st_mode)) {
    return Status::InvalidArgument(
        fmt::format("the mountpoint {} is a symbolic link; give the directory that it leads to", path));
  }
  if (!S_ISDIR(attributes.st_mode)) {
    return Status::InvalidArgument(fmt::format("the mountpoint {} is not a directory", path));
  }
  return Status::Ok();
}

Status CheckApartFromSource(const std::string& path, const std::string& source) {
  std::error_code error;
  const std::string canonical_source = fs::canonical(source, error).string();
  if (error) return Status::Ok();  // opening the checkpoint will say what is wrong with it
  if (IsWithin(path, canonical_source)) {
    return Status::InvalidArgument(fmt::format(
        "the mountpoint {} is inside the source {}; choose a directory elsewhere", path, canonical_source));
  }
  if (IsWithin(canonical_source, path)) {
    return Status::InvalidArgument(
        fmt::format("the mountpoint {} contains the source {}, which the mount would hide; choose a directory elsewhere",
                    path, canonical_source));
  }
  return Status::Ok();
}

Status CheckEmpty(const std::string& path) {
  std::error_code error;
  const fs::directory_iterator entries(path, error);
  if (error) return Status::InvalidArgument(fmt::format("the mountpoint {} cannot be listed: {}", path, error.message()));
  if (entries != fs::directory_iterator()) {
    return Status::InvalidArgument(fmt::format("the mountpoint {} is not empty: it holds {}; give an empty directory", path,
                                               entries->path().filename().string()));
  }
  return Status::Ok();
}

}  // namespace

Result<std::string> CheckMountPoint(const std::string& mount_point, const std::string& source) {
  const Result<std::string> canonical = CanonicalMountPath(mount_point);
  if (!canonical.ok()) {
    return Status::InvalidArgument(
        fmt::format("the mountpoint {} does not exist: {}", mount_point, canonical.status().message()));
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
