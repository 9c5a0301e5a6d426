#include "bench/stop_request.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <cerrno>

namespace shardfs::bench {
namespace {

int stop_descriptor = -1;

sigset_t StopSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, number);
  return signals;
}

}  // namespace

Status BlockStopSignals() {
  const sigset_t signals = StopSignals();
  // A shell starts background programs with SIGINT ignored, and an ignored signal never reaches the descriptor.
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_DFL);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  stop_descriptor = ::signalfd(-1, &signals, SFD_CLOEXEC);
  if (stop_descriptor < 0) return Status::FromErrno(errno, "cannot wait for signals");
  return Status::Ok();
}

void UnblockStopSignals() {
  const sigset_t signals = StopSignals();
  ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);
}

int StopDescriptor() { return stop_descriptor; }

bool StopRequested() {
  pollfd event{stop_descriptor, POLLIN, 0};
  return stop_descriptor >= 0 && ::poll(&event, 1, 0) == 1;
}

Status Stopped() { return Status::Cancelled("stopped by a signal"); }

}  // namespace shardfs::bench
