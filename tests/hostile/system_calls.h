// The system calls that a source is read with, made to fail or to do less than they are asked for.
//
// A test program that is linked with this has pread, fstat and fstatat wrapped (-Wl,--wrap), in all code but shared
// libraries'.
// Thread-safety: the plan is set while nothing reads.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <functional>

namespace shardfs::testing {

// What the next pread does: read at most that many bytes, or fail with that errno.
struct PreadOutcome {
  std::size_t most = static_cast<std::size_t>(-1);
  int error = 0;
};

// Called for each pread with its number, from 0; nothing: the system's own. Reset by SystemCallsAsUsual.
void PlanPreads(std::function<PreadOutcome(std::size_t number)> plan);
void PlanFstatError(int error);                       // every fstat fails
void PlanFstat(const struct stat& attributes);        // every fstat gives these
void PlanFstatatError(int error);                     // every fstatat fails
void PlanAfterFstatat(std::function<void()> action);  // once, when the next fstatat has its answer
void SystemCallsAsUsual();

}  // namespace shardfs::testing
