// Tells a service manager how the program is, by the protocol of sd_notify(3): what systemd waits for with Type=notify.
// The protocol is one datagram, so it needs no library.
#pragma once

#include <string_view>

#include "shardfs/base/status.h"

namespace shardfs {

// Sends assignments, one a line ("READY=1\nSTATUS=serving"), to the socket that NOTIFY_SOCKET names: a path, or with a
// leading '@' a name in the abstract namespace. OK without sending when the variable is not set. Thread-safe as long as
// nobody changes the environment.
Status NotifyService(std::string_view state);

// The same, where a failure is not worth failing for: it prints a warning.
void NotifyServiceOrWarn(std::string_view state);

}  // namespace shardfs
