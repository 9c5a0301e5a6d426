#include "service/mount_privilege.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace shardfs {
namespace {

// True where the kernel does not say.
bool HasSysAdmin() {
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return true;
  return (sets[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN)) != 0;
}

}  // namespace

Status CheckMayMount() {
  const bool may = ::geteuid() == 0 ? HasSysAdmin() : ::prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0;
  if (may) return Status::Ok();
  return Status::IoError(
      "mounting needs CAP_SYS_ADMIN, which is not to be had here; start the container with --device /dev/fuse "
      "--cap-add SYS_ADMIN (Docker) or privileged: true (Kubernetes), or write the files with `shardfs materialize`, "
      "which needs neither");
}

}  // namespace shardfs
