#include "fuse/source_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "fuse/captured_log.h"
#include "fuse/watched_source.h"

namespace shardfs {
namespace {

using testing::ElementsAre;
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

  SourceFindings findings = watch.Look(tree);
  EXPECT_EQ(findings.files, 3u);
  EXPECT_TRUE(findings.changed.empty() && findings.unreachable.empty() && findings.silent.empty());
  EXPECT_EQ(log.text(), "");

  broken = true;
  for (int round = 0; round < 2; ++round) findings = watch.Look(tree);
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
  EXPECT_EQ(watch.Look(tree).files, 0u);
  EXPECT_TRUE(watch.Look(tree).changed.empty());
}

// Sources of which one can be made to hang, as a file on a server that does not answer does.
class HangingSources {
 public:
  explicit HangingSources(const std::vector<std::string>& names, const std::string& hanging) {
    std::vector<std::unique_ptr<WatchedSource>> sources;
    for (const std::string& name : names) {
      sources.push_back(std::make_unique<WatchedSource>(name, 8, [state = state_, hangs = name == hanging] {
        ++state->asked;
        std::unique_lock lock(state->mutex);
        state->answers.wait(lock, [&] { return !hangs || !state->hanging; });
        return Status::Ok();
      }));
    }
    tree = TreeOf(std::move(sources));
  }
  ~HangingSources() { Answer(); }

  void Answer() {
    const std::lock_guard lock(state_->mutex);
    state_->hanging = false;
    state_->answers.notify_all();
  }
  int asked() const { return state_->asked; }

  std::shared_ptr<const VirtualTree> tree;

 private:
  struct State {
    std::atomic<int> asked{0};
    std::mutex mutex;
    bool hanging = true;
    std::condition_variable answers;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();  // threads that hang have a share in it
};

std::vector<std::string> NamesOf(const std::vector<SourceFindings::File>& files) {
  std::vector<std::string> names;
  for (const SourceFindings::File& file : files) names.push_back(file.name);
  return names;
}

// Threads that were hanging end when they like.
void LookUntil(const std::function<bool()>& condition, const std::function<void()>& look) {
  for (int i = 0; i < 10'000 && !condition(); ++i) {
    look();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(SourceWatchTest, ASourceThatHangsIsNamedAndTheOthersAreLookedAt) {
  HangingSources sources({"a", "b", "c"}, "b");
  SourceWatch watch(std::chrono::milliseconds(20));
  SourceFindings findings = watch.Look(sources.tree);
  const auto look = [&] { findings = watch.Look(sources.tree); };
  LookUntil([&] { return !findings.silent.empty(); }, look);
  ASSERT_THAT(NamesOf(findings.silent), ElementsAre("b"));
  EXPECT_THAT(findings.silent[0].message, HasSubstr("'b' has not answered for 0 s"));
  LookUntil([&] { return sources.asked() >= 4; }, look);
  EXPECT_GE(sources.asked(), 4) << "a and b by the first look, a and c by the next";
  EXPECT_THAT(NamesOf(findings.silent), ElementsAre("b"));
  sources.Answer();
  LookUntil([&] { return findings.silent.empty(); }, look);
  EXPECT_TRUE(findings.silent.empty());
}

// Storage that hangs takes a few threads of the watch, and none that asks.
TEST(SourceWatchTest, OnlySoManyLooksHang) {
  std::vector<std::string> names;
  for (char c = 'a'; c < 'a' + 10; ++c) names.emplace_back(1, c);
  std::atomic<int> asked{0};
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
  };
  const auto gate = std::make_shared<Gate>();
  std::vector<std::unique_ptr<WatchedSource>> list;
  for (const std::string& name : names) {
    list.push_back(std::make_unique<WatchedSource>(name, 8, [gate, &asked] {
      ++asked;
      std::unique_lock lock(gate->mutex);
      gate->opened.wait(lock, [&] { return gate->open; });
      return Status::Ok();
    }));
  }
  const auto tree = TreeOf(std::move(list));
  SourceWatch watch(std::chrono::milliseconds(20));
  SourceFindings findings;
  LookUntil([&] { return findings.silent.size() == SourceWatch::kMostLooks; }, [&] { findings = watch.Look(tree); });
  findings = watch.Look(tree);
  EXPECT_EQ(asked, static_cast<int>(SourceWatch::kMostLooks));
  EXPECT_EQ(findings.silent.size(), SourceWatch::kMostLooks);
  {
    const std::lock_guard lock(gate->mutex);
    gate->open = true;
    gate->opened.notify_all();
  }
  LookUntil([&] { return findings.silent.empty() && asked >= 10; }, [&] { findings = watch.Look(tree); });
  EXPECT_TRUE(findings.silent.empty());
}

}  // namespace
}  // namespace shardfs
