// The bond between a process and the one that started it, until the first can do without.
#pragma once

#include <sys/types.h>

namespace shardfs {

// Has the kernel send SIGTERM when `parent`, which has just forked this process, ends in whatever way; at once where it
// has ended already. The main thread calls it, because the kernel keeps the wish by thread.
void EndWithParent(pid_t parent);

// Undoes EndWithParent. From the same thread.
void OutliveParent();

}  // namespace shardfs
