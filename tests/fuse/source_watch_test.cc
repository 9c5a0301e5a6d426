#include "fuse/source_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <latch>
#include <thread>

#include "fuse/captured_log.h"
#include "fuse/watched_source.h"

namespace shardfs {
namespace {

using testing::HasSubstr;

TEST(SourceWatchTest, SaysWhichSourcesChangedAndWhichAreOutOfReach) {
  const CapturedLog log;
  std::atomic<bool> broken{false};
  std::vector<std::unique_ptr<WatchedSource>> sources;
  sources.push_back(std::make_unique<WatchedSource>(
      "b", 8, [&] { return broken ? Status::SourceChanged("'b' has changed") : Status::Ok(); }));
  sources.push_back(std::make_unique<WatchedSource>(
      "c", 8, [&] { return broken ? Status::IoError("'c': stale file handle") : Status::Ok(); }));
  sources.push_back(std::make_unique<WatchedSource>("a", 8, [] { return Status::Ok(); }));
  const auto tree = TreeOf(std::move(sources));
  SourceWatch watch;

  SourceFindings findings = watch.Look(*tree);
  EXPECT_EQ(findings.files, 3u);
  EXPECT_TRUE(findings.changed.empty() && findings.unreachable.empty() && !findings.pending);
  EXPECT_EQ(log.text(), "");

  broken = true;
  for (int round = 0; round < 2; ++round) findings = watch.Look(*tree);
  ASSERT_EQ(findings.changed.size(), 1u);
  EXPECT_EQ(findings.changed[0].name, "b");
  EXPECT_EQ(findings.changed[0].message, "'b' has changed");
  ASSERT_EQ(findings.unreachable.size(), 1u);
  EXPECT_EQ(findings.unreachable[0].name, "c");
  EXPECT_EQ(log.text(), "error: 'b' has changed\n") << "once";
}

TEST(SourceWatchTest, AViewOfNoSourcesIsWell) {
  VirtualTreeBuilder builder;
  ASSERT_TRUE(builder.AddFile("made", RankSet::All(1), MakeGeneratedFile("x")).ok());
  const auto tree = std::move(builder).Build();
  SourceWatch watch;
  EXPECT_EQ(watch.Look(*tree).files, 0u);
  EXPECT_TRUE(watch.Look(*tree).changed.empty());
}

// Storage that hangs takes one thread, not all that ask.
TEST(SourceWatchTest, OthersDoNotWaitForALookThatHangs) {
  std::latch asked(1);
  std::latch answer(1);
  std::vector<std::unique_ptr<WatchedSource>> sources;
  sources.push_back(std::make_unique<WatchedSource>("a", 8, [&] {
    if (!asked.try_wait()) asked.count_down();
    answer.wait();
    return Status::Ok();
  }));
  const auto tree = TreeOf(std::move(sources));
  SourceWatch watch(std::chrono::milliseconds(20));
  std::future<SourceFindings> first = std::async(std::launch::async, [&] { return watch.Look(*tree); });
  asked.wait();
  EXPECT_TRUE(watch.Look(*tree).pending);
  answer.count_down();
  EXPECT_FALSE(first.get().pending);
  EXPECT_FALSE(watch.Look(*tree).pending);
}

}  // namespace
}  // namespace shardfs
