#include "fuse/unmount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "base/mount_table.h"
#include "fuse/fusermount.h"

namespace shardfs {
namespace {

Status Busy(const std::string& mount_point) {
  return Status::IoError(mount_point +
                         " is busy: a file in it is open or a process stands in it; close them, or detach it now and "
                         "let it go when they are done with `shardfs umount --lazy " +
                         mount_point + "`");
}

Status UnmountAsRoot(const std::string& mount_point, UnmountMode mode) {
  const int flags = UMOUNT_NOFOLLOW | (mode == UnmountMode::kLazy ? MNT_DETACH : 0);
  if (::umount2(mount_point.c_str(), flags) == 0) return Status::Ok();
  if (errno == EBUSY) return Busy(mount_point);
  return Status::FromErrno(errno, "cannot unmount " + mount_point);
}

// fusermount says why it failed on its standard error and nowhere else; -q only keeps it from doing so, so the cause
// is found out from the mount table: a mount that is still there is another user's, or was busy.
Status UnmountByHelper(const std::string& mount_point, UnmountMode mode) {
  SHARDFS_ASSIGN_OR_RETURN(const Fusermount program, FindFusermount());
  std::vector<std::string> arguments = {"-u", "-q"};
  if (mode == UnmountMode::kLazy) arguments.emplace_back("-z");
  arguments.insert(arguments.end(), {"--", mount_point});
  SHARDFS_ASSIGN_OR_RETURN(const pid_t pid, StartFusermount(program, arguments, FileDescriptor()));
  SHARDFS_ASSIGN_OR_RETURN(const int code, WaitForFusermount(pid));
  if (code == 0) return Status::Ok();
  const Result<std::optional<MountEntry>> mounted = FindMount(mount_point);
  if (mounted.ok() && *mounted && (*mounted)->user && *(*mounted)->user != ::getuid()) {
    return Status::IoError("cannot unmount " + mount_point + ": uid " + std::to_string(*(*mounted)->user) +
                           " has mounted it and this is uid " + std::to_string(::getuid()) +
                           "; only root and the user who mounted it may");
  }
  if (mode == UnmountMode::kRefuseBusy) return Busy(mount_point);
  return Status::IoError(program.path + " would not unmount " + mount_point +
                         "; only root and the user who mounted it may");
}

}  // namespace

Status Unmount(const std::string& mount_point, UnmountMode mode) {
  return ::geteuid() == 0 ? UnmountAsRoot(mount_point, mode) : UnmountByHelper(mount_point, mode);
}

}  // namespace shardfs
