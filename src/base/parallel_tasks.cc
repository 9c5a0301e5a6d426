#include "base/parallel_tasks.h"

#include <fmt/format.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <new>

namespace shardfs {
namespace {

class Tasks {
 public:
  Tasks(std::size_t count, const std::stop_token& cancel,
        const std::function<Status(std::size_t, const std::stop_token&)>& task)
      : count_(count), task_(task), forward_cancel_(cancel, [this] { stop_.request_stop(); }) {}

  // A worker's life.
  void Work() {
    try {
      while (!stop_.stop_requested()) {
        const std::size_t index = next_.fetch_add(1, std::memory_order_relaxed);
        if (index >= count_) return;
        const Status status = task_(index, stop_.get_token());
        if (!status.ok()) return Fail(status);
        finished_.fetch_add(1, std::memory_order_relaxed);
      }
    } catch (const std::bad_alloc&) {
      Fail(Status::ResourceExhausted("out of memory; use fewer threads"));
    }
  }

  void Fail(const Status& status) {
    const std::lock_guard lock(mutex_);
    if (first_error_.ok()) first_error_ = status;
    stop_.request_stop();
  }

  // After all workers have returned.
  Status Outcome() const {
    if (first_error_.ok() && finished_ < count_) return Status::Cancelled("cancelled");
    return first_error_;
  }

 private:
  const std::size_t count_;
  const std::function<Status(std::size_t, const std::stop_token&)>& task_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> finished_{0};
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> forward_cancel_;
  std::mutex mutex_;  // guards first_error_ while workers run
  Status first_error_;
};

}  // namespace

std::size_t WorkerCount(unsigned threads) {
  return threads != 0 ? threads : static_cast<std::size_t>(tbb::info::default_concurrency());
}

Status RunTasks(std::size_t count, unsigned threads, const std::stop_token& cancel,
                const std::function<Status(std::size_t, const std::stop_token&)>& task) {
  Tasks tasks(count, cancel, task);
  const std::size_t workers = std::clamp<std::size_t>(count, 1, WorkerCount(threads));
  try {
    // TBB starts no more threads than there are CPUs unless it is allowed to.
    const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, workers);
    tbb::task_arena arena(static_cast<int>(workers));
    arena.execute([&tasks, workers] {
      tbb::task_group group;
      for (std::size_t i = 0; i < workers; ++i) group.run([&tasks] { tasks.Work(); });
      group.wait();
    });
  } catch (const std::exception& error) {  // bad_alloc, or the system refuses another thread
    tasks.Fail(Status::ResourceExhausted(fmt::format("cannot run {} workers: {}", workers, error.what())));
  }
  return tasks.Outcome();
}

}  // namespace shardfs
