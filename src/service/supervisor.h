// A process that stays root beside a server that does not, because only root can unmount what root has mounted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "service/daemon.h"
#include "service/log_rotation.h"

namespace shardfs {

// What SIGHUP means to a mount.
enum class OnHangup : std::uint8_t {
  kStop,       // the terminal of a mount in the foreground has gone away: unmount, as with SIGTERM
  kReopenLog,  // open the log file again under its name
};

// Forks. The child runs `serve`, whose result is its exit code, and calls the notifier when it is ready; the parent
// then calls `on_ready`, which the child does not keep. The parent passes SIGTERM and SIGINT on to the child, and
// SIGHUP where that means to stop; where it means the log, the parent opens the file again for both. When the child has
// ended, however it came about, the parent detaches the mount if one is left on `mount_point`. Returns the child's exit
// code, 1 when a signal ended it; in the child, what `serve` returned. Call it before any thread is started.
int Supervise(const std::string& mount_point, OnHangup on_hangup,
              const std::function<int(const std::function<void()>& ready, LogRotation&)>& serve,
              ReadyNotifier on_ready);

}  // namespace shardfs
