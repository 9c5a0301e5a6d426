// ServingThreads: the threads that take requests from the kernel and answer them.
//
// As libfuse's own loop they start with one and become one more whenever all are busy, up to a number. Unlike there, a
// further thread that cannot be had, or has no memory for its buffer, ends nothing: the others serve on, and it is
// tried again later. libfuse ends the mount instead, and logs a line for every request.
#pragma once

#include <semaphore.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <list>
#include <mutex>
#include <thread>

struct fuse_buf;
struct fuse_session;

namespace shardfs {

// Interrupts the waits of Run() and of the threads, which look at the session's exit flag only when woken. The caller
// of Run has it handled, without SA_RESTART.
inline constexpr int kWakeSignal = SIGUSR1;

class ServingThreads {
 public:
  ServingThreads(fuse_session* session, unsigned most);
  ~ServingThreads();
  ServingThreads(const ServingThreads&) = delete;
  ServingThreads& operator=(const ServingThreads&) = delete;

  // Serves until the session has exited; every request that was taken is answered then. 0, or a negative errno: of the
  // first thread, which could not be started, or of the connection, which could not be read.
  int Run();

 private:
  using Threads = std::list<std::thread>;

  int StartThread();  // 0 or an errno; with mutex_ held
  void Work(Threads::iterator self);
  void Serve(const fuse_buf& request);
  bool LeaveUnlessAlone(Threads::iterator self);
  void Leave(Threads::iterator self);  // with mutex_ held
  void EndAll();

  fuse_session* const session_;
  const unsigned most_;
  sem_t finished_;  // posted when a thread has left

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
