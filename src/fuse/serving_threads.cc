#include "fuse/serving_threads.h"

#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>
#include <new>
#include <system_error>
#include <utility>

namespace shardfs {
namespace {

constexpr std::chrono::milliseconds kPause{100};     // between attempts to start a thread
constexpr std::chrono::milliseconds kWakeEvery{10};  // a signal that comes just before a wait is lost

// Bursts of these come when the kernel drops its caches, and are not worth a thread.
bool IsForget(const fuse_buf& request) {
  fuse_in_header header;
  if ((request.flags & FUSE_BUF_IS_FD) != 0 || request.size < sizeof header) return false;
  std::memcpy(&header, request.mem, sizeof header);
  return header.opcode == FUSE_FORGET || header.opcode == FUSE_BATCH_FORGET;
}

}  // namespace

ServingThreads::ServingThreads(fuse_session* session, ReadScheduler& reads, std::function<void()> on_stuck)
    : session_(session), reads_(reads), on_stuck_(std::move(on_stuck)) {
  ::sem_init(&finished_, 0, 0);
  reads_.OnPressure([this] { ::sem_post(&finished_); });
}

ServingThreads::~ServingThreads() { ::sem_destroy(&finished_); }

int ServingThreads::Run() {
  {
    const std::lock_guard lock(mutex_);
    if (const int error = StartThread(); error != 0) return -error;
  }
  WaitForEnd();
  reads_.RefuseWaiting(ECONNABORTED);  // as the kernel does with those that it has not handed out
  EndAll();
  reads_.RefuseWaiting(ECONNABORTED);  // what was taken in the meantime
  return error_;
}

void ServingThreads::WaitForEnd() {
  while (fuse_session_exited(session_) == 0) {
    const ReadScheduler::Judgement judgement = reads_.Judge();
    if (judgement.threads > 0) StartThreads(judgement.threads);
    if (!judgement.kept) {
      ::sem_wait(&finished_);  // or interrupted
      continue;
    }
    timespec until{};
    ::clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += std::chrono::nanoseconds(ReadScheduler::kTick).count();
    until.tv_sec += until.tv_nsec / 1'000'000'000;
    until.tv_nsec %= 1'000'000'000;
    ::sem_timedwait(&finished_, &until);
  }
}

void ServingThreads::StartThreads(unsigned count) {
  const std::lock_guard lock(mutex_);
  for (; count > 0 && MayStart(); --count) StartOrWarn();
}

bool ServingThreads::MayStart() const {
  return threads_.size() < reads_.most_inside() + kSpare && std::chrono::steady_clock::now() >= try_again_;
}

void ServingThreads::StartOrWarn() {
  const int error = StartThread();
  if (error != 0) {
    try_again_ = std::chrono::steady_clock::now() + kPause;
    if (!lacking_) {
      spdlog::warn("cannot start another serving thread, {} serve on: {}", threads_.size(),
                   std::generic_category().message(error));
    }
  }
  lacking_ = error != 0;
}

int ServingThreads::StartThread() {
  for (std::thread& thread : ended_) thread.join();
  ended_.clear();
  try {
    const auto self = threads_.emplace(threads_.end());
    try {
      *self = std::thread([this, self] { Work(self); });
    } catch (...) {
      threads_.erase(self);
      throw;
    }
  } catch (const std::system_error& error) {
    return error.code().value();
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
  ++available_;
  return 0;
}

void ServingThreads::Work(Threads::iterator self) {
  fuse_buf request{};  // its memory is libfuse's to allocate, for the first request
  bool left = false;
  reads_.ServeWaiting();
  while (!left && fuse_session_exited(session_) == 0) {
    const int received = fuse_session_receive_buf(session_, &request);
    if (received > 0) {
      left = Serve(request) && LeaveUnlessAlone(self);
    } else if (received == -ENOMEM) {
      left = LeaveForLackOfMemory(self);
      if (!left) std::this_thread::sleep_for(kPause);
    } else if (received != -EINTR) {
      const std::lock_guard lock(mutex_);
      if (received < 0) error_ = received;
      fuse_session_exit(session_);
    }
  }
  std::free(request.mem);
  if (left) return;
  const std::lock_guard lock(mutex_);
  Leave(self);
}

// Whether there are more threads now than are of use: those that a source which hung had taken.
bool ServingThreads::Serve(const fuse_buf& request) {
  const bool counts = !IsForget(request);
  if (counts) {
    const std::lock_guard lock(mutex_);
    --available_;
    if (available_ == 0 && MayStart()) StartOrWarn();
  }
  fuse_session_process_buf(session_, &request);
  if (!counts) return false;
  const std::lock_guard lock(mutex_);
  ++available_;
  return threads_.size() > reads_.most_inside() + kSpare && available_ > kSpare;
}

bool ServingThreads::LeaveUnlessAlone(Threads::iterator self) {
  const std::lock_guard lock(mutex_);
  if (threads_.size() == 1) return false;
  Leave(self);
  return true;
}

// A thread that takes its place is not started at once.
bool ServingThreads::LeaveForLackOfMemory(Threads::iterator self) {
  {
    const std::lock_guard lock(mutex_);
    try_again_ = std::chrono::steady_clock::now() + kPause;
  }
  return LeaveUnlessAlone(self);
}

void ServingThreads::Leave(Threads::iterator self) {
  --available_;
  ended_.splice(ended_.end(), threads_, self);
  left_.notify_all();
  ::sem_post(&finished_);
}

void ServingThreads::EndAll() {
  const auto patience_ends = std::chrono::steady_clock::now() + kPatience;
  bool stuck = false;
  std::unique_lock lock(mutex_);
  while (!threads_.empty()) {
    for (std::thread& thread : threads_) ::pthread_kill(thread.native_handle(), kWakeSignal);
    left_.wait_for(lock, kWakeEvery);
    if (stuck || std::chrono::steady_clock::now() < patience_ends) continue;
    stuck = true;
    lock.unlock();
    if (on_stuck_) on_stuck_();
    lock.lock();
  }
  for (std::thread& thread : ended_) thread.join();
}

}  // namespace shardfs
