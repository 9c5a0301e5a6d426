// The bond between a process and the one that started it, until the first can do without.
#pragma once

#include <sys/types.h>

namespace shardfs {

// From here on SIGTERM comes when `parent`, which has just forked this process, ends in whatever way; at once where it
// has ended already. From the main thread: the kernel keeps it by thread.
void EndWithParent(pid_t parent);

// Undoes EndWithParent. From the same thread.
void OutliveParent();

}  // namespace shardfs
