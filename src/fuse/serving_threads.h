// ServingThreads: the threads that take requests from the kernel and answer them.
//
// As libfuse's own loop they start with one and become one more whenever all are busy, up to a number. Unlike there, a
// further thread that cannot be had, or has no memory for its buffer, ends nothing: the others serve on, and it is
// tried again later. libfuse ends the mount instead, and logs a line for every request.
//
// The number follows the ReadScheduler: all reads that it lets wait for sources, those that are stuck included, and
// kSpare more, so that a thread is always there for what waits for no source. The thread that calls Run serves nothing;
// while reads are kept back it has the scheduler judge the sources, and starts the threads that this makes room for.
//
// A thread says in a Seat of its own whether it waits for a request. The thread that takes one looks for another that
// waits only while further threads may be started; so on a mount that has all its threads, a request writes nothing
// that other threads read, and takes no lock.
#pragma once

#include <semaphore.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

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
  struct alignas(64) Seat {
    enum State : int { kFree, kWaits, kWorks };
    std::atomic<int> state{kFree};  // becomes free, and is taken, with mutex_ held
  };
  struct Server {
    std::thread thread;
    Seat* seat = nullptr;
  };
  using Threads = std::list<Server>;

  int StartThread();  // 0 or an errno; with mutex_ held
  void WaitForEnd();
  void StartThreads(unsigned count);
  void StartOrWarn();  // with mutex_ held
  bool MayStart() const;  // with mutex_ held
  unsigned most_threads() const { return reads_.most_inside() + kSpare; }
  unsigned Waiting(unsigned enough) const;
  void Work(Threads::iterator self);
  bool Serve(const fuse_buf& request, Seat& seat);
  bool LeaveUnlessAlone(Threads::iterator self);
  bool LeaveForLackOfMemory(Threads::iterator self);
  void Leave(Threads::iterator self);  // with mutex_ held
  void EndAll();

  fuse_session* const session_;
  ReadScheduler& reads_;
  const std::function<void()> on_stuck_;
  sem_t finished_;  // posted when a thread has left, and when a first read has been kept back

  std::vector<Seat> seats_;           // as many as there may ever be threads
  std::atomic<unsigned> serving_{0};  // as threads_ has; written with mutex_ held

  std::mutex mutex_;  // guards the rest
  std::condition_variable left_;
  Threads threads_;  // that serve
  Threads ended_;    // to be joined
  int error_ = 0;
  std::chrono::steady_clock::time_point try_again_{};  // not before is another thread started
  bool lacking_ = false;                               // the last one could not be
};

}  // namespace shardfs
