#include "service/parent_death.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace shardfs {

void EndWithParent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::kill(::getpid(), SIGTERM);
}

void OutliveParent() { ::prctl(PR_SET_PDEATHSIG, 0); }

}  // namespace shardfs
