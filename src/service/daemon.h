// Running on in the background, in such a way that the command returns only once the work has truly begun.
#pragma once

#include <functional>

#include "shardfs/base/status.h"

namespace shardfs {

// What the child calls once, from any thread, when it is ready: it then has no terminal, its working directory is "/",
// and its standard streams lead nowhere. Returns when the command has announced the work, or has ended without: then
// SIGTERM is on its way to this process, which is to undo what it did. It owns the pipes to the command: a process that
// is forked from the child and does not call it drops it.
using ReadyNotifier = std::function<void()>;

// Makes a process one of the background: no terminal, "/" as its working directory, standard streams that lead nowhere.
void LeaveTerminal();

// Forks. The child runs `serve`, whose result is its exit code, and keeps standard error until it calls the notifier.
// The parent waits for that, runs `check`, in a thread of its own, and announces the work: it calls `leave` with 0,
// which ends the process at once, so that no signal can come in between. A test's `leave` returns, and so does
// RunAsDaemon then, with 0. When the child ends first or the check fails, the parent prints why (unless the child has),
// sees to it that the child ends, and returns the exit code. When SIGTERM, SIGINT or SIGHUP comes first, the parent
// sees to the same and then dies of that signal.
//
// Call it before any thread is started. In the child, returns what `serve` returned.
int RunAsDaemon(const std::function<int(ReadyNotifier)>& serve, const std::function<Status()>& check,
                const std::function<void(int)>& leave);

}  // namespace shardfs
