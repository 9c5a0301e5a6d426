#include "fuse/serving_threads.h"

#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <new>
#include <system_error>

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

ServingThreads::ServingThreads(fuse_session* session, unsigned most) : session_(session), most_(std::max(most, 1u)) {
  ::sem_init(&finished_, 0, 0);
}

ServingThreads::~ServingThreads() { ::sem_destroy(&finished_); }

int ServingThreads::Run() {
  {
    const std::lock_guard lock(mutex_);
    if (const int error = StartThread(); error != 0) return -error;
  }
  while (fuse_session_exited(session_) == 0) ::sem_wait(&finished_);  // or interrupted
  EndAll();
  return error_;
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
  while (!left && fuse_session_exited(session_) == 0) {
    const int received = fuse_session_receive_buf(session_, &request);
    if (received > 0) {
      Serve(request);
    } else if (received == -ENOMEM) {
      left = LeaveUnlessAlone(self);
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

void ServingThreads::Serve(const fuse_buf& request) {
  const bool counts = !IsForget(request);
  if (counts) {
    const std::lock_guard lock(mutex_);
    --available_;
    if (available_ == 0 && threads_.size() < most_ && std::chrono::steady_clock::now() >= try_again_) {
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
  }
  fuse_session_process_buf(session_, &request);
  if (counts) {
    const std::lock_guard lock(mutex_);
    ++available_;
  }
}

// Of a thread that has no memory for its buffer.
bool ServingThreads::LeaveUnlessAlone(Threads::iterator self) {
  const std::lock_guard lock(mutex_);
  if (threads_.size() == 1) return false;
  try_again_ = std::chrono::steady_clock::now() + kPause;
  Leave(self);
  return true;
}

void ServingThreads::Leave(Threads::iterator self) {
  --available_;
  ended_.splice(ended_.end(), threads_, self);
  left_.notify_all();
  ::sem_post(&finished_);
}

void ServingThreads::EndAll() {
  std::unique_lock lock(mutex_);
  while (!threads_.empty()) {
    for (std::thread& thread : threads_) ::pthread_kill(thread.native_handle(), kWakeSignal);
    left_.wait_for(lock, kWakeEvery);
  }
  for (std::thread& thread : ended_) thread.join();
}

}  // namespace shardfs
