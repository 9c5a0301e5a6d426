// Processor time, for tests that bound the time of one piece of work by that of another of the same kind in the same
// run. It leaves out what a thread waits for, but still grows when other programs share the processor's caches and
// cores; so a test compares the least of a few runs of each, and allows a few times of it.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <algorithm>
#include <limits>

namespace shardfs::testing {

// What a clock of processor time shows: CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID, or that of ClockOf.
inline double SecondsOf(clockid_t clock) {
  timespec now{};
  if (::clock_gettime(clock, &now) != 0) return 0;
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// The clock of all threads of another process, while that lives.
inline clockid_t ClockOf(pid_t pid) {
  clockid_t clock{};
  return ::clock_getcpuclockid(pid, &clock) == 0 ? clock : -1;
}

// The least that a clock of processor time shows for `work` in `runs` runs.
template <typename Work>
double LeastSeconds(clockid_t clock, int runs, const Work& work) {
  double least = std::numeric_limits<double>::max();
  for (int run = 0; run < runs; ++run) {
    const double begin = SecondsOf(clock);
    work();
    least = std::min(least, SecondsOf(clock) - begin);
  }
  return least;
}

}  // namespace shardfs::testing
