#include "base/background_task.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace shardfs {
namespace {

// A function that counts its runs and waits until it may end.
struct Gate {
  std::atomic<int> runs{0};
  std::promise<void> opened;
  std::shared_future<void> open = opened.get_future().share();

  static std::function<void()> BodyOf(const std::shared_ptr<Gate>& gate) {
    return [gate] {
      ++gate->runs;
      gate->open.wait();
    };
  }
};

bool StartsWithin(BackgroundTask& task, std::chrono::seconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!task.Start()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

TEST(BackgroundTaskTest, RunsOnceAtATime) {
  const auto gate = std::make_shared<Gate>();
  BackgroundTask task(Gate::BodyOf(gate));
  EXPECT_TRUE(task.Start());
  EXPECT_FALSE(task.Start()) << "it waits for its gate";
  gate->opened.set_value();
  EXPECT_TRUE(StartsWithin(task, std::chrono::seconds(60)));
  EXPECT_TRUE(StartsWithin(task, std::chrono::seconds(60)));
  EXPECT_GE(gate->runs, 2);
}

TEST(BackgroundTaskTest, OneThatHangsOutlivesTheTaskWithWhatItOwns) {
  const auto gate = std::make_shared<Gate>();
  const std::weak_ptr<Gate> owned = gate;
  {
    BackgroundTask task(Gate::BodyOf(gate));
    ASSERT_TRUE(task.Start());
    while (gate->runs == 0) std::this_thread::yield();
  }
  EXPECT_GT(owned.use_count(), 1);
  gate->opened.set_value();
}

}  // namespace
}  // namespace shardfs
