// What a program that is linked statically (SHARDFS_STATIC) must do otherwise than glibc would. Only that program has
// this file: in any other, the C library of the host does what the host needs.
#include <cerrno>
#include <cstddef>

#include "base/user_names.h"

// Threads and child processes come by the system call clone3 where the kernel has it, and by clone where the answer is
// ENOSYS. Container runtimes older than clone3 (Docker before 20.10.10) answer EPERM, at which glibc gives up. This
// definition takes the place of glibc's own, so that clone is what is always used.
extern "C" int __clone3(void* /*arguments*/, std::size_t /*size*/, int (* /*function*/)(void*), void* /*argument*/) {
  errno = ENOSYS;
  return -1;
}

namespace {

// The modules that /etc/nsswitch.conf names (sss, ldap, systemd) are the host's shared libraries. They want the host's
// own C library, and loading one into this program ends it.
const bool names_restricted = [] {
  shardfs::RestrictNamesToFiles();
  return true;
}();

}  // namespace
