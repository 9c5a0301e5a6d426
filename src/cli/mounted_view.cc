#include "cli/mounted_view.h"

#include <sys/stat.h>

#include <optional>

namespace shardfs {
namespace {

bool IsSymbolicLink(const std::string& path) {
  struct stat attributes {};
  return ::lstat(path.c_str(), &attributes) == 0 && S_ISLNK(attributes.st_mode);
}

}  // namespace

Result<MountEntry> FindMountedView(const std::string& path, std::string_view purpose) {
  SHARDFS_ASSIGN_OR_RETURN(std::string canonical, CanonicalMountPath(path));
  SHARDFS_ASSIGN_OR_RETURN(std::optional<MountEntry> mounted, FindMount(canonical));
  // Looked at only now: what is in the mount table may be dead, and then looking fails.
  if (!mounted && IsSymbolicLink(canonical)) {
    SHARDFS_ASSIGN_OR_RETURN(canonical, CanonicalMountPath(canonical + "/."));
    SHARDFS_ASSIGN_OR_RETURN(mounted, FindMount(canonical));
  }
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
