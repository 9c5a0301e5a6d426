// Running on in the background, in such a way that the command returns only once the work has truly begun.
#pragma once

#include <functional>

#include "shardfs/base/status.h"

namespace shardfs {

// What the child calls, from any thread, when it is ready: from then on it has no terminal, its working directory is
// "/", and its standard streams lead nowhere.
using ReadyNotifier = std::function<void()>;

// Makes a process one of the background: no terminal, "/" as its working directory, standard streams that lead nowhere.
void LeaveTerminal();

// Forks. The child runs `serve`, whose result is its exit code, and keeps standard error until it calls the notifier.
// The parent waits for that, runs `check`, and returns 0; or, when the child ends first or the check fails, prints why
// (unless the child has) and returns the exit code. Call it before any thread is started. In the child, returns what
// `serve` returned.
int RunAsDaemon(const std::function<int(const ReadyNotifier&)>& serve, const std::function<Status()>& check);

}  // namespace shardfs
