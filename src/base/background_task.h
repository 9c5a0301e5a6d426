// BackgroundTask: runs a function on a thread of its own, which its caller does not wait for: what may hang (a look at
// a file whose server does not answer) must not hold the thread that asks for it.
//
// Ownership: the thread shares the function, so the function must own what it uses (by shared_ptr): where it hangs, the
// thread outlives the task. Thread-safety: Start from any number of threads at once.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace shardfs {

class BackgroundTask {
 public:
  // `body` throws nothing.
  explicit BackgroundTask(std::function<void()> body) : state_(std::make_shared<State>()) {
    state_->body = std::move(body);
  }
  // Waits for a run that is under way, but not for one that hangs.
  ~BackgroundTask() {
    std::unique_lock lock(state_->mutex);
    state_->ended.wait_for(lock, kPatience, [this] { return !state_->running; });
  }
  BackgroundTask(const BackgroundTask&) = delete;
  BackgroundTask& operator=(const BackgroundTask&) = delete;

  // Begins a run. False when one is under way, or when there is no thread to be had.
  bool Start() {
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->running) return false;
      state_->running = true;
    }
    try {
      std::thread([state = state_] {
        state->body();
        state->End();
      }).detach();
    } catch (const std::exception&) {  // system_error, bad_alloc
      state_->End();
      return false;
    }
    return true;
  }

 private:
  static constexpr std::chrono::milliseconds kPatience{500};

  struct State {
    std::function<void()> body;
    std::mutex mutex;  // guards the next one
    bool running = false;
    std::condition_variable ended;

    void End() {
      const std::lock_guard lock(mutex);
      running = false;
      ended.notify_all();
    }
  };

  const std::shared_ptr<State> state_;
};

}  // namespace shardfs
