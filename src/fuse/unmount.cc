#include "fuse/unmount.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/mount_table.h"

namespace shardfs {
namespace {

Status Busy(const std::string& mount_point) {
  return Status::IoError(mount_point +
                         " is busy: a file in it is open or a process stands in it; close them, or detach it now and "
                         "let it go when they are done with `shardfs umount --lazy`");
}

Status UnmountAsRoot(const std::string& mount_point, UnmountMode mode) {
  const int flags = UMOUNT_NOFOLLOW | (mode == UnmountMode::kLazy ? MNT_DETACH : 0);
  if (::umount2(mount_point.c_str(), flags) == 0) return Status::Ok();
  if (errno == EBUSY) return Busy(mount_point);
  return Status::FromErrno(errno, "cannot unmount " + mount_point);
}

// fusermount3 says why it failed on its standard error and nowhere else; -q only keeps it from doing so, so the cause
// is found out from the mount table: a mount that is still there is another user's, or was busy.
Status UnmountByHelper(const std::string& mount_point, UnmountMode mode) {
  const char* arguments[] = {"fusermount3", "-u", "-q", "--", mount_point.c_str(), nullptr, nullptr};
  if (mode == UnmountMode::kLazy) {
    arguments[3] = "-z";
    arguments[4] = "--";
    arguments[5] = mount_point.c_str();
  }
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, arguments[0], nullptr, nullptr, const_cast<char**>(arguments), environ);
  if (error != 0) return Status::FromErrno(error, "cannot run fusermount3 (package fuse3)");
  int wait_status = 0;
  while (::waitpid(pid, &wait_status, 0) < 0) {
    if (errno != EINTR) return Status::FromErrno(errno, "cannot wait for fusermount3");
  }
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return Status::Ok();
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 127) {
    return Status::IoError("fusermount3 is not installed, and unmounting without root needs it; install package fuse3");
  }
  const Result<std::optional<MountEntry>> mounted = FindMount(mount_point);
  if (mounted.ok() && *mounted && (*mounted)->user && *(*mounted)->user != ::getuid()) {
    return Status::IoError("cannot unmount " + mount_point + ": uid " + std::to_string(*(*mounted)->user) +
                           " has mounted it and this is uid " + std::to_string(::getuid()) +
                           "; only root and the user who mounted it may");
  }
  if (mode == UnmountMode::kRefuseBusy) return Busy(mount_point);
  return Status::IoError("fusermount3 would not unmount " + mount_point +
                         "; only root and the user who mounted it may");
}

}  // namespace

Status Unmount(const std::string& mount_point, UnmountMode mode) {
  return ::geteuid() == 0 ? UnmountAsRoot(mount_point, mode) : UnmountByHelper(mount_point, mode);
}

}  // namespace shardfs
