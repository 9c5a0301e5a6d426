#include "fuse/serving_threads.h"

#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
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
    : session_(session), reads_(reads), on_stuck_(std::move(on_stuck)), seats_(reads.most_ever_inside() + kSpare) {
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
  return threads_.size() < most_threads() && std::chrono::steady_clock::now() >= try_again_;
}

// Counts the threads that wait for a request, up to `enough`.
unsigned ServingThreads::Waiting(unsigned enough) const {
  unsigned waiting = 0;
  for (auto seat = seats_.begin(); seat != seats_.end() && waiting < enough; ++seat) {
    if (seat->state.load() == Seat::kWaits) ++waiting;
  }
  return waiting;
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
  for (Server& server : ended_) server.thread.join();
  ended_.clear();
  const auto seat = std::find_if(seats_.begin(), seats_.end(),
                                 [](const Seat& each) { return each.state.load() == Seat::kFree; });
  if (seat == seats_.end()) return EAGAIN;  // MayStart lets no caller come to this
  try {
    const auto self = threads_.emplace(threads_.end());
    self->seat = &*seat;
    seat->state.store(Seat::kWaits);
    try {
      self->thread = std::thread([this, self] { Work(self); });
    } catch (...) {
      seat->state.store(Seat::kFree);
      threads_.erase(self);
      throw;
    }
  } catch (const std::system_error& error) {
    return error.code().value();
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
  serving_.store(static_cast<unsigned>(threads_.size()));
  return 0;
}

void ServingThreads::Work(Threads::iterator self) {
  fuse_buf request{};  // its memory is libfuse's to allocate, for the first request
  bool left = false;
  reads_.ServeWaiting();
  while (!left && fuse_session_exited(session_) == 0) {
    const int received = fuse_session_receive_buf(session_, &request);
    if (received > 0) {
      left = Serve(request, *self->seat) && LeaveUnlessAlone(self);
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

// Returns whether there are more threads now than are of use: those that a source which hung had taken.
bool ServingThreads::Serve(const fuse_buf& request, Seat& seat) {
  if (IsForget(request)) {
    fuse_session_process_buf(session_, &request);
    return false;
  }
  seat.state.store(Seat::kWorks);
  if (serving_.load() < most_threads() && Waiting(1) == 0) {
    const std::lock_guard lock(mutex_);
    if (Waiting(1) == 0 && MayStart()) StartOrWarn();
  }
  fuse_session_process_buf(session_, &request);
  seat.state.store(Seat::kWaits);
  return serving_.load() > most_threads() && Waiting(kSpare + 1) > kSpare;
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
  self->seat->state.store(Seat::kFree);
  ended_.splice(ended_.end(), threads_, self);
  serving_.store(static_cast<unsigned>(threads_.size()));
  left_.notify_all();
  ::sem_post(&finished_);
}

void ServingThreads::EndAll() {
  const auto patience_ends = std::chrono::steady_clock::now() + kPatience;
  bool stuck = false;
  std::unique_lock lock(mutex_);
  while (!threads_.empty()) {
    for (Server& server : threads_) ::pthread_kill(server.thread.native_handle(), kWakeSignal);
    left_.wait_for(lock, kWakeEvery);
    if (stuck || std::chrono::steady_clock::now() < patience_ends) continue;
    stuck = true;
    lock.unlock();
    if (on_stuck_) on_stuck_();
    lock.lock();
  }
  for (Server& server : ended_) server.thread.join();
}

}  // namespace shardfs
