#include "console/cancel_signals.h"

#include <atomic>
#include <cstddef>

namespace shardfs {
namespace {

// Written by a signal handler: the one thing that has no other way to reach the run.
std::atomic<bool> signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free);

}  // namespace

CancelSignals::CancelSignals() {
  struct sigaction action {};
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  action.sa_handler = [](int) { signalled.store(true); };
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i] == SIGPIPE) action.sa_handler = SIG_IGN;
    ::sigaction(kSignals[i], &action, &before_[i]);
  }
}

CancelSignals::~CancelSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
}

bool CancelSignals::Received() const { return signalled.load(); }

}  // namespace shardfs
