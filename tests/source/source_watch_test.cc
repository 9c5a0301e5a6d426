#include "source/source_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace shardfs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A source that says of itself what a test tells it to; asked by the watch's threads.
class AnsweringSource final : public ByteSource {
 public:
  using Answer = std::function<Status()>;

  AnsweringSource(std::string name, Answer state, Answer name_state = [] { return Status::Ok(); })
      : name_(std::move(name)), state_(std::move(state)), name_state_(std::move(name_state)) {}

  Status ReadAt(std::uint64_t, std::span<std::byte>) const override { return Status::IoError("has no bytes"); }
  Status CheckUnchanged() const override { return state_(); }
  Status CheckName() const override { return name_state_(); }
  std::uint64_t size() const override { return 0; }
  const std::string& name() const override { return name_; }

 private:
  const std::string name_;
  const Answer state_;
  const Answer name_state_;
};

using Sources = std::vector<std::unique_ptr<AnsweringSource>>;

// Of these sources, which the watch owns.
WatchedSources Watched(Sources sources) {
  WatchedSources watched;
  for (const auto& source : sources) watched.files.push_back(source.get());
  watched.owner = std::make_shared<Sources>(std::move(sources));
  return watched;
}

// What a watch has reported.
class Reports {
 public:
  std::function<void(const Status&)> Taker() {
    return [this](const Status& status) {
      const std::lock_guard lock(mutex_);
      texts_.emplace_back(status.message());
    };
  }
  std::vector<std::string> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(texts_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> texts_;
};

Status ChangedIf(const std::atomic<bool>& is_so, const char* what) {
  return is_so ? Status::SourceChanged(what) : Status::Ok();
}

// A generous patience: these sources answer, and a busy machine must not make them silent.
constexpr std::chrono::seconds kLong{60};

TEST(SourceWatchTest, SaysWhichSourcesChangedAndWhichAreOutOfReach) {
  Reports reports;
  std::atomic<bool> broken{false};
  Sources sources;
  sources.push_back(std::make_unique<AnsweringSource>("b", [&] { return ChangedIf(broken, "'b' has changed"); }));
  sources.push_back(std::make_unique<AnsweringSource>(
      "c", [&] { return broken ? Status::IoError("'c': stale file handle") : Status::Ok(); }));
  sources.push_back(std::make_unique<AnsweringSource>("a", [] { return Status::Ok(); }));
  WatchedSources watched = Watched(std::move(sources));
  watched.report = reports.Taker();
  SourceWatch watch(std::move(watched), kLong);

  SourceFindings findings = watch.Look();
  EXPECT_EQ(findings.files, 3u);
  EXPECT_TRUE(findings.changed.empty() && findings.unreachable.empty() && findings.silent.empty());
  EXPECT_THAT(reports.Take(), IsEmpty());

  broken = true;
  for (int round = 0; round < 2; ++round) findings = watch.Look();
  ASSERT_EQ(findings.changed.size(), 1u);
  EXPECT_EQ(findings.changed[0].name, "b");
  EXPECT_EQ(findings.changed[0].message, "'b' has changed");
  ASSERT_EQ(findings.unreachable.size(), 1u);
  EXPECT_EQ(findings.unreachable[0].name, "c");
  EXPECT_THAT(reports.Take(), ElementsAre("'b' has changed", "'c': stale file handle")) << "once";
}

// A replaced name harms no read, so it is reported, and the view stays healthy.
TEST(SourceWatchTest, ReportsAReplacedNameAndAReplacedRootOnce) {
  Reports reports;
  std::atomic<bool> renamed{false};
  std::atomic<bool> moved{false};
  Sources sources;
  sources.push_back(std::make_unique<AnsweringSource>(
      "a", [] { return Status::Ok(); }, [&] { return ChangedIf(renamed, "'a' was replaced"); }));
  WatchedSources watched = Watched(std::move(sources));
  watched.check_roots = [&] { return ChangedIf(moved, "the directory was replaced"); };
  watched.report = reports.Taker();
  SourceWatch watch(std::move(watched), kLong);
  watch.Look();
  EXPECT_THAT(reports.Take(), IsEmpty());
  renamed = true;
  moved = true;
  EXPECT_TRUE(watch.Look().changed.empty());
  EXPECT_THAT(reports.Take(), ElementsAre("'a' was replaced", "the directory was replaced"));
  watch.Look();
  EXPECT_THAT(reports.Take(), IsEmpty());
}

TEST(SourceWatchTest, AFileThatIsNamedTwiceIsWatchedOnce) {
  const auto source = std::make_shared<AnsweringSource>("a", [] { return Status::Ok(); });
  SourceWatch watch({{source.get(), source.get()}, {}, source, {}});
  EXPECT_THAT(watch.files(), ElementsAre(source.get()));
  EXPECT_EQ(watch.Look().files, 1u);
}

TEST(SourceWatchTest, AViewOfNoSourcesIsWell) {
  SourceWatch watch({});
  EXPECT_EQ(watch.Look().files, 0u);
  EXPECT_TRUE(watch.Look().changed.empty());
}

TEST(SourceWatchTest, ManyThreadsThatLookIfDueGetOneLook) {
  std::atomic<int> asked{0};
  Sources sources;
  sources.push_back(std::make_unique<AnsweringSource>("a", [&] {
    ++asked;
    return Status::Ok();
  }));
  {
    SourceWatch watch(Watched(std::move(sources)));
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) watch.LookIfDue();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_GE(asked, 1);
  EXPECT_LE(asked, 8 * 50 / 10) << "at most once an interval";
}

// Sources of which one can be made to hang, as a file on a server that does not answer does.
class HangingSources {
 public:
  explicit HangingSources(const std::vector<std::string>& names, const std::string& hanging) {
    Sources sources;
    for (const std::string& name : names) {
      sources.push_back(std::make_unique<AnsweringSource>(name, [state = state_, hangs = name == hanging] {
        ++state->asked;
        std::unique_lock lock(state->mutex);
        state->answers.wait(lock, [&] { return !hangs || !state->hanging; });
        return Status::Ok();
      }));
    }
    watched = Watched(std::move(sources));
  }
  ~HangingSources() { Answer(); }

  void Answer() {
    const std::lock_guard lock(state_->mutex);
    state_->hanging = false;
    state_->answers.notify_all();
  }
  int asked() const { return state_->asked; }

  WatchedSources watched;

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
  SourceWatch watch(sources.watched, std::chrono::milliseconds(20));
  SourceFindings findings = watch.Look();
  const auto look = [&] { findings = watch.Look(); };
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
  Sources list;
  for (const std::string& name : names) {
    list.push_back(std::make_unique<AnsweringSource>(name, [gate, &asked] {
      ++asked;
      std::unique_lock lock(gate->mutex);
      gate->opened.wait(lock, [&] { return gate->open; });
      return Status::Ok();
    }));
  }
  SourceWatch watch(Watched(std::move(list)), std::chrono::milliseconds(20));
  SourceFindings findings;
  LookUntil([&] { return findings.silent.size() == SourceWatch::kMostLooks; }, [&] { findings = watch.Look(); });
  findings = watch.Look();
  EXPECT_EQ(asked, static_cast<int>(SourceWatch::kMostLooks));
  EXPECT_EQ(findings.silent.size(), SourceWatch::kMostLooks);
  {
    const std::lock_guard lock(gate->mutex);
    gate->open = true;
    gate->opened.notify_all();
  }
  LookUntil([&] { return findings.silent.empty() && asked >= 10; }, [&] { findings = watch.Look(); });
  EXPECT_TRUE(findings.silent.empty());
}

}  // namespace
}  // namespace shardfs
