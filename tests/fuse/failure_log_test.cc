// Which failed reads have a line in the log.
#include "fuse/failure_log.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace shardfs {
namespace {

using std::chrono::seconds;

constexpr NodeId kFile = 3;
constexpr auto kLines = FailureLog::kLinesPerPeriod;

TEST(FailureLogTest, TheFirstOfEachFileHasALineWhateverCameBefore) {
  FailureLog log;
  const FailureLog::Clock::time_point now{seconds(1000)};
  for (std::uint32_t i = 0; i < 1 + 2 * kLines; ++i) log.Admit(kFile, now);
  for (NodeId other = 100; other < 200; ++other) {
    EXPECT_TRUE(log.Admit(other, now).write) << other;
    EXPECT_FALSE(log.Admit(other, now).write) << other;
  }
}

TEST(FailureLogTest, FurtherOnesAreHeldBackAboveALimitAndToldOfInTheNextPeriod) {
  FailureLog log;
  const FailureLog::Clock::time_point now{seconds(1000)};
  EXPECT_TRUE(log.Admit(kFile, now).write);
  for (std::uint32_t i = 1; i <= kLines; ++i) {
    const FailureLog::Decision decision = log.Admit(kFile, now + seconds(i % 2));
    EXPECT_TRUE(decision.write) << i;
    EXPECT_EQ(decision.pauses, i == kLines) << i;
    EXPECT_EQ(decision.held_back, 0u) << i;
  }
  for (int i = 0; i < 5; ++i) {
    const FailureLog::Decision decision = log.Admit(kFile, now + FailureLog::kPeriod - seconds(1));
    EXPECT_FALSE(decision.write || decision.pauses);
  }
  const FailureLog::Decision next = log.Admit(kFile, now + FailureLog::kPeriod);
  EXPECT_TRUE(next.write);
  EXPECT_FALSE(next.pauses);
  EXPECT_EQ(next.held_back, 5u);
  EXPECT_EQ(log.Admit(kFile, now + FailureLog::kPeriod).held_back, 0u) << "told of once";
}

TEST(FailureLogTest, CountsWhatManyThreadsReport) {
  FailureLog log;
  constexpr int kThreads = 8;
  constexpr std::uint64_t kEach = 1000;
  const FailureLog::Clock::time_point now{seconds(1000)};
  std::vector<std::uint64_t> written(kThreads, 0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&log, now, count = &written[static_cast<std::size_t>(t)]] {
        for (std::uint64_t i = 0; i < kEach; ++i) *count += log.Admit(kFile, now).write ? 1 : 0;
      });
    }
  }
  std::uint64_t lines = 0;
  for (const std::uint64_t count : written) lines += count;
  EXPECT_EQ(lines, 1u + kLines);
  EXPECT_EQ(log.Admit(kFile, now + FailureLog::kPeriod).held_back, kThreads * kEach - lines);
}

}  // namespace
}  // namespace shardfs
