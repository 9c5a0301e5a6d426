#include "service/read_with_deadline.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "shardfs/base/file_descriptor.h"
#include "source/scratch_directory.h"

namespace shardfs {
namespace {

using Outcome = DeadlineRead::Outcome;

class ReadWithDeadlineTest : public ::testing::Test {
 protected:
  // A file that answers, and one whose open waits for ever, as on a mount whose daemon is stopped.
  void SetUp() override {
    std::ofstream(answers_) << std::string(100'000, 'x');
    ASSERT_EQ(::mkfifo(hangs_.c_str(), 0600), 0);
  }

  const testing::ScratchDirectory directory_;
  const std::string answers_ = directory_ / "answers";
  const std::string hangs_ = directory_ / "hangs";
};

TEST_F(ReadWithDeadlineTest, ReadsTheWholeFile) {
  const DeadlineRead read = ReadWithDeadline(answers_, std::chrono::minutes(1));
  EXPECT_EQ(read.outcome, Outcome::kDone);
  EXPECT_EQ(read.bytes, std::string(100'000, 'x'));
}

TEST_F(ReadWithDeadlineTest, SaysWhyAFileCannotBeRead) {
  const DeadlineRead read = ReadWithDeadline(directory_ / "missing", std::chrono::minutes(1));
  EXPECT_EQ(read.outcome, Outcome::kFailed);
  EXPECT_EQ(read.error_number, ENOENT);
}

TEST_F(ReadWithDeadlineTest, GivesUpOnWhatHangs) {
  EXPECT_EQ(ReadWithDeadline(hangs_, std::chrono::milliseconds(50)).outcome, Outcome::kTimedOut);
}

// Counts the processes that the calling process has started and that have not been waited for.
int Children() {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (int process = 0; children >> process;) ++count;
  }
  return count;
}

// A reader that hangs must not keep another's pipe open: what answers would be called silent too.
TEST_F(ReadWithDeadlineTest, WhatHangsDoesNotHoldUpWhatAnswers) {
  constexpr int kRounds = 20;
  constexpr int kPairs = 8;
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<int> hanging = kPairs;
    std::vector<Outcome> outcomes(kPairs);
    std::vector<std::thread> hang, answer;
    for (int i = 0; i < kPairs; ++i) {
      hang.emplace_back([&] {
        ReadWithDeadline(hangs_, std::chrono::minutes(2));
        --hanging;
      });
      answer.emplace_back([&, i] { outcomes[i] = ReadWithDeadline(answers_, std::chrono::seconds(20)).outcome; });
    }
    for (std::thread& thread : answer) thread.join();
    // A process that starts only now would have the writer that lets the others go, and wait for its own end.
    const auto patience_ends = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (Children() < kPairs && std::chrono::steady_clock::now() < patience_ends) std::this_thread::yield();
    while (hanging > 0) FileDescriptor(::open(hangs_.c_str(), O_RDWR | O_CLOEXEC));  // lets those that wait go
    for (std::thread& thread : hang) thread.join();
    ASSERT_EQ(outcomes, std::vector<Outcome>(kPairs, Outcome::kDone)) << "round " << round;
  }
}

}  // namespace
}  // namespace shardfs
