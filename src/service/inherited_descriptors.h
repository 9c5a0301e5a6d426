// The descriptors that a process was started with.
#pragma once

#include <optional>
#include <string>

namespace shardfs {

// Closes every descriptor above 2 that the process has, except `kept` (--fuse-fd) and those that a service manager
// passes on purpose (LISTEN_FDS from 3 on, where LISTEN_PID names this process; sd_listen_fds(3)): a daemon that kept a
// lock, a pipe or a file of the script that mounts would hold it for as long as the mount lives. Those that stay are
// not handed to programs that this process starts. Call it before the process opens anything of its own and before it
// starts a thread. `listing` is the directory that lists the open descriptors; it is read where the kernel, or a system
// call filter, refuses close_range(2).
void CloseInheritedDescriptors(std::optional<int> kept = std::nullopt, const std::string& listing = "/proc/self/fd");

}  // namespace shardfs
