#include "service/mounted_view.h"

#include <sys/stat.h>

#include <optional>

namespace shardfs {
namespace {

bool IsSymbolicLink(const std::string& path) {
  struct stat attributes {};
  return ::lstat(path.c_str(), &attributes) == 0 && S_ISLNK(attributes.st_mode);
}

struct Found {
  std::string path;  // as the mount table writes it
  std::optional<MountEntry> mount;
};

Result<Found> Find(const std::string& path) {
  Found found;
  SHARDFS_ASSIGN_OR_RETURN(found.path, CanonicalMountPath(path));
  SHARDFS_ASSIGN_OR_RETURN(found.mount, FindMount(found.path));
  // Looked at only now: what is in the mount table may be dead, and then looking fails.
  if (!found.mount && IsSymbolicLink(found.path)) {
    SHARDFS_ASSIGN_OR_RETURN(found.path, CanonicalMountPath(found.path + "/."));
    SHARDFS_ASSIGN_OR_RETURN(found.mount, FindMount(found.path));
  }
  return found;
}

}  // namespace

Result<bool> IsMounted(const std::string& path) {
  SHARDFS_ASSIGN_OR_RETURN(const Found found, Find(path));
  return found.mount.has_value();
}

Result<MountEntry> FindMountedView(const std::string& path, std::string_view purpose) {
  SHARDFS_ASSIGN_OR_RETURN(Found found, Find(path));
  auto& [canonical, mounted] = found;
  if (!mounted) {
    return Status::InvalidArgument(canonical + " is not mounted, so there is nothing to " + std::string(purpose));
  }
  if (mounted->type != kShardfsType) {
    return Status::InvalidArgument(canonical + " is a mount of type " + mounted->type + ", not of " +
                                   std::string(kShardfsType) + "; give the directory that a view is mounted on");
  }
  return *std::move(mounted);
}

}  // namespace shardfs
