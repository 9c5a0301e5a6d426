// ServingThreads: the threads that take requests from the kernel and answer them.
//
// As libfuse's own loop they start with one and become one more whenever all are busy, up to a number. Unlike there, a
// further thread that cannot be had, or has no memory for its buffer, ends nothing: the others serve on, and it is
// tried again later. libfuse ends the mount instead, and logs a line for every request.
//
// The number follows the ReadScheduler: all reads that it lets wait for sources, those that are stuck included, and
// kSpare more, so that a thread is always there for what waits for no source. The thread that calls Run serves nothing;
// while reads are kept back it has the scheduler judge the sources, and starts the threads that this makes room for.
#pragma once

#include <semaphore.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "fuse/read_scheduler.h"

struct fuse_buf;
struct fuse_session;

namespace shardfs {

// Interrupts the waits of Run() and of the threads, which look at the session's exit flag only when woken. The caller
// of Run has it handled, without SA_RESTART.
inline constexpr int kWakeSignal = SIGUSR1;

class ServingThreads {
 public:
  // A status may wait a moment for a look at the sources, and others should be answered meanwhile.
  static constexpr unsigned kSpare = 4;

  // `on_stuck` is called once, by Run, when threads have not ended kPatience after the session has: they wait for
  // sources that hang. It may end the process; else Run goes on waiting.
  static constexpr std::chrono::milliseconds kPatience{4000};
  ServingThreads(fuse_session* session, ReadScheduler& reads, std::function<void()> on_stuck);
  ~ServingThreads();
  ServingThreads(const ServingThreads&) = delete;
  ServingThreads& operator=(const ServingThreads&) = delete;

  // Serves until the session has exited; every request that was taken is answered then. 0, or a negative errno: of the
  // first thread, which could not be started, or of the connection, which could not be read.
  int Run();

 private:
  using Threads = std::list<std::thread>;

  int StartThread();  // 0 or an errno; with mutex_ held
  void WaitForEnd();
  void StartThreads(unsigned count);
  void StartOrWarn();  // with mutex_ held
  bool MayStart() const;  // with mutex_ held
  void Work(Threads::iterator self);
  bool Serve(const fuse_buf& request);
  bool LeaveUnlessAlone(Threads::iterator self);
  bool LeaveForLackOfMemory(Threads::iterator self);
  void Leave(Threads::iterator self);  // with mutex_ held
  void EndAll();

  fuse_session* const session_;
  ReadScheduler& reads_;
  const std::function<void()> on_stuck_;
  sem_t finished_;  // posted when a thread has left, and when a first read has been kept back

  std::mutex mutex_;  // guards the rest
  std::condition_variable left_;
  Threads threads_;         // that serve
  Threads ended_;           // to be joined
  unsigned available_ = 0;  // of threads_, those that wait for a request
  int error_ = 0;
  std::chrono::steady_clock::time_point try_again_{};  // not before is another thread started
  bool lacking_ = false;                               // the last one could not be
};

}  // namespace shardfs
