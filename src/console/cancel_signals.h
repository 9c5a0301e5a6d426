// CancelSignals: turns the signals that end a program into a flag, for commands that have something to clean up or to
// say before they end.
#pragma once

#include <signal.h>

#include <array>

namespace shardfs {

// While it lives, SIGINT, SIGTERM and SIGHUP only set a flag, and nobody reading the output any more (SIGPIPE) does not
// end the program. One at a time in a process.
class CancelSignals {
 public:
  CancelSignals();
  ~CancelSignals();
  CancelSignals(const CancelSignals&) = delete;
  CancelSignals& operator=(const CancelSignals&) = delete;

  bool Received() const;  // from any thread

 private:
  static constexpr std::array<int, 4> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace shardfs
