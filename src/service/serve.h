// Serving a mount from its beginning to its end: what `shardfs mount` does once the command line is understood.
#pragma once

#include <optional>
#include <string>

#include "service/daemon.h"
#include "service/log_rotation.h"
#include "pipeline/build_view.h"
#include "service/privileges.h"
#include "fuse/session.h"

namespace shardfs {

struct MountRequest {
  std::string mount_point;  // canonical, checked
  FuseOptions options;
  bool is_visible = true;         // whether this process sees the mount point of a mount that another one has made
  std::optional<Account> run_as;  // who the process becomes once it has mounted
  std::string metrics_listen;     // address of metrics_listener.h; empty for none
  std::string metrics_textfile;   // directory of metrics_textfile.h; empty for none
};

// Builds the view, mounts it and serves until it is unmounted or a signal ends it; the exit code, having printed or
// logged why when it is not 0. `on_ready` is called once the mount answers. SIGHUP is handed to `rotation`; where that is
// null, it ends the mount. `rotation` must outlive the call.
int Serve(const ViewRequest& asked, MountRequest request, LogRotation* rotation, const ReadyNotifier& on_ready);

}  // namespace shardfs
