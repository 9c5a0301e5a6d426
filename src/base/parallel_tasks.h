// Runs numbered tasks on a fixed number of threads.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

#include "shardfs/base/status.h"

namespace shardfs {

// How many threads `threads` asks for; 0 is one per CPU that the process may use.
std::size_t WorkerCount(unsigned threads);

// Calls task(i, stop) for i = 0 .. count-1, started in that order, at most `threads` (0: one per CPU) at a time.
// `stop` is requested once a task has failed or `cancel` is requested; no task is started after that. Returns the
// first error, or kCancelled when not all tasks were done. An exception (bad_alloc) becomes kResourceExhausted.
Status RunTasks(std::size_t count, unsigned threads, const std::stop_token& cancel,
                const std::function<Status(std::size_t, const std::stop_token&)>& task);

}  // namespace shardfs
