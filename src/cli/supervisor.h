// A process that stays root beside a server that does not, because only root can unmount what root has mounted.
#pragma once

#include <functional>
#include <string>

#include "cli/daemon.h"

namespace shardfs {

// Forks. The child runs `serve`, whose result is its exit code, and calls the notifier when it is ready; the parent
// then calls `on_ready`. The parent passes SIGTERM, SIGINT and SIGHUP on to the child, and when that has ended, however
// it came about, detaches the mount if one is left on `mount_point`. Returns the child's exit code, 1 when a signal
// ended it; in the child, what `serve` returned. Call it before any thread is started.
int Supervise(const std::string& mount_point, const std::function<int(const ReadyNotifier&)>& serve,
              const ReadyNotifier& on_ready);

}  // namespace shardfs
