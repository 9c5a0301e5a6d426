#include "fuse/read_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "fuse/watched_source.h"
#include "view/tree_sources.h"

namespace shardfs {

// The bytes of a scheduler that every read looks at, whichever place it is in: the scheduler itself and its gates.
class SharedLines {
 public:
  static std::string Of(const ReadScheduler& scheduler) {
    std::string bytes;
    const auto add = [&bytes](const auto& object) {
      bytes.append(reinterpret_cast<const char*>(&object), sizeof object);
    };
    add(scheduler);
    for (const ReadScheduler::Gate& gate : scheduler.gates_) add(gate);
    return bytes;
  }
  static void HeardNow(ReadScheduler& scheduler) {
    for (ReadScheduler::Gate& gate : scheduler.gates_) {
      gate.heard.store((ReadScheduler::Clock::now() + std::chrono::hours(1)).time_since_epoch().count());
    }
  }
  // By each thread, of its place.
  static std::uintptr_t LineOfPlace(const ReadScheduler& scheduler) {
    const auto taken = std::find_if(scheduler.places_.begin(), scheduler.places_.end(),
                                    [](const ReadScheduler::Place& place) { return place.taken.load(); });
    return taken == scheduler.places_.end() ? 0 : reinterpret_cast<std::uintptr_t>(&*taken) / 64;
  }
  static constexpr bool PlacesAreApart() { return alignof(ReadScheduler::Place) >= 64; }
};

namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr unsigned kActive = 4;
constexpr std::uint64_t kBytes = 100;
const auto kLater = ReadScheduler::kStall + std::chrono::milliseconds(1);

// A source in a file system of a given number, of which nothing is read.
class NamedSource final : public ByteSource {
 public:
  NamedSource(std::string name, std::uint64_t file_system) : name_(std::move(name)), file_system_(file_system) {}
  Status ReadAt(std::uint64_t, std::span<std::byte>) const override { return Status::Ok(); }
  std::uint64_t file_system() const override { return file_system_; }
  std::uint64_t size() const override { return kBytes; }
  const std::string& name() const override { return name_; }

 private:
  const std::string name_;
  const std::uint64_t file_system_;
};

// Both of two sources in each read.
class FileOfBoth final : public VirtualFile {
 public:
  FileOfBoth(const VirtualFile& first, const VirtualFile& second) : first_(first), second_(second) {}
  FileKind kind() const override { return FileKind::kTensors; }
  std::uint64_t size() const override { return kBytes; }
  Status ReadAt(std::uint64_t, std::span<std::byte>) const override { return Status::Ok(); }
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override {
    first_.VisitSources(offset, size, visit);
    second_.VisitSources(offset, size, visit);
  }

 private:
  const VirtualFile& first_;
  const VirtualFile& second_;
};

// A view of "a" and "b" in file system 1, "c" in 2, "made" without a source, and "z" of both a and c.
constexpr std::uint64_t kA = 2, kB = 3, kC = 4, kMade = 5, kZ = 6;  // inodes
std::shared_ptr<const VirtualTree> Tree() {
  VirtualTreeBuilder builder;
  std::map<std::string, const VirtualFile*> files;
  const auto add = [&](const std::string& name, std::unique_ptr<const VirtualFile> file) {
    files[name] = file.get();
    EXPECT_TRUE(builder.AddFile(name, RankSet::All(1), std::move(file)).ok());
  };
  add("a", MakePassthroughFile(std::make_unique<NamedSource>("a", 1)));
  add("b", MakePassthroughFile(std::make_unique<NamedSource>("b", 1)));
  add("c", MakePassthroughFile(std::make_unique<NamedSource>("c", 2)));
  add("made", MakeGeneratedFile("made"));
  add("z", std::make_unique<FileOfBoth>(*files["a"], *files["c"]));
  return std::move(builder).Build();
}

// Threads that submit reads, and files whose reads hang until they answer.
class ReadSchedulerTest : public testing::Test {
 protected:
  ~ReadSchedulerTest() override {
    Answer({kA, kB, kC, kZ});
    for (std::thread& thread : threads_) thread.join();
  }

  void Hang(std::uint64_t inode) { Change([&] { hanging_.insert(inode); }); }
  void Answer(const std::set<std::uint64_t>& inodes) {
    Change([&] {
      for (const std::uint64_t inode : inodes) hanging_.erase(inode);
    });
  }

  // On a thread of its own, as it may hang.
  void Submit(std::uint64_t inode, int times = 1) {
    for (int i = 0; i < times; ++i) {
      Start([this, inode] { scheduler_.Submit({nullptr, inode, kBytes, 0}); });
    }
  }
  void ServeWaiting(unsigned threads) {
    for (; threads > 0; --threads) Start([this] { scheduler_.ServeWaiting(); });
  }

  // Waits until so many reads of `inode` have begun, and all threads that do not hang have returned.
  bool Begun(std::uint64_t inode, int count) {
    return Wait([&] { return begun_[inode] == count && running_ == inside_; });
  }
  bool Done(std::uint64_t inode, int count) {
    return Wait([&] { return done_[inode] == count && running_ == inside_; });
  }

  ReadScheduler::Judgement JudgeLater() { return scheduler_.Judge(ReadScheduler::Clock::now() + kLater); }

  std::vector<int> refused_;
  const std::shared_ptr<const VirtualTree> tree_ = Tree();
  ReadScheduler scheduler_{tree_, SourcesOf(*tree_), kActive, [this](const ReadScheduler::Read& read) { Perform(read.inode); },
                           [this](const ReadScheduler::Read&, int error) { refused_.push_back(error); }};

 private:
  template <typename Body>
  void Start(Body body) {
    Change([this] { ++running_; });
    threads_.emplace_back([this, body] {
      body();
      Change([this] { --running_; });
    });
  }
  template <typename Body>
  void Change(Body&& body) {
    const std::lock_guard lock(mutex_);
    body();
    changed_.notify_all();
  }
  template <typename Condition>
  bool Wait(Condition&& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), condition);
  }
  void Perform(std::uint64_t inode) {
    std::unique_lock lock(mutex_);
    ++begun_[inode];
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return hanging_.count(inode) == 0; });
    --inside_;
    ++done_[inode];
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::uint64_t> hanging_;
  std::map<std::uint64_t, int> begun_;
  std::map<std::uint64_t, int> done_;
  int running_ = 0;  // threads that have not returned
  int inside_ = 0;   // of them, those that are performing a read
  std::vector<std::thread> threads_;
};

TEST_F(ReadSchedulerTest, SoManyReadsWaitForSourcesAtATime) {
  Hang(kA);
  Submit(kA, 10);
  EXPECT_TRUE(Begun(kA, kActive));
  EXPECT_EQ(scheduler_.most_inside(), kActive);
  Submit(kMade, 3);
  EXPECT_TRUE(Done(kMade, 3)) << "a read of no source waits for none";
  Answer({kA});
  EXPECT_TRUE(Done(kA, 10));
  EXPECT_FALSE(JudgeLater().kept);
}

// While a source was heard of a moment ago, reads write only their own places.
TEST_F(ReadSchedulerTest, ReadsWriteNoCacheLineThatOthersRead) {
  static_assert(SharedLines::PlacesAreApart());
  SharedLines::HeardNow(scheduler_);
  const std::string before = SharedLines::Of(scheduler_);
  for (const std::uint64_t inode : {kA, kB, kC, kZ}) scheduler_.Submit({nullptr, inode, kBytes, 0});
  EXPECT_TRUE(before == SharedLines::Of(scheduler_));
  Hang(kA);
  Submit(kA);
  ASSERT_TRUE(Begun(kA, 2));
  EXPECT_TRUE(before == SharedLines::Of(scheduler_)) << "while a read is inside";
}

// One thread comes back to the line that it wrote before; the next ones each have another.
TEST_F(ReadSchedulerTest, AThreadKeepsItsPlace) {
  std::set<std::uintptr_t> lines;
  ReadScheduler* scheduler = nullptr;
  ReadScheduler alone(tree_, SourcesOf(*tree_), kActive,
                      [&](const ReadScheduler::Read&) { lines.insert(SharedLines::LineOfPlace(*scheduler)); },
                      [](const ReadScheduler::Read&, int) {});
  scheduler = &alone;
  for (int i = 0; i < 10; ++i) alone.Submit({nullptr, kA, kBytes, 0});
  EXPECT_THAT(lines, SizeIs(1));
  for (unsigned i = 0; i < kActive; ++i) std::thread([&] { alone.Submit({nullptr, kA, kBytes, 0}); }).join();
  EXPECT_THAT(lines, SizeIs(kActive));
}

// Those that came in while the limit was higher are counted when it has fallen.
TEST_F(ReadSchedulerTest, AFallenLimitCountsTheReadsThatAreInside) {
  Hang(kA);
  Hang(kB);
  Hang(kC);
  Submit(kA, 5);
  ASSERT_TRUE(Begun(kA, 4));
  ServeWaiting(JudgeLater().threads);
  ASSERT_TRUE(Begun(kA, 5)) << "as a probe";
  Submit(kC, 3);
  ASSERT_TRUE(Begun(kC, 3));
  EXPECT_EQ(scheduler_.most_inside(), 2 * kActive);
  Answer({kA});
  ASSERT_TRUE(Done(kA, 5));
  EXPECT_EQ(scheduler_.most_inside(), kActive);
  Submit(kB, 3);
  EXPECT_TRUE(Begun(kB, 1)) << "three are inside of c";
  Answer({kC});
  EXPECT_TRUE(Done(kC, 3));
  EXPECT_TRUE(Begun(kB, 3));
}

TEST_F(ReadSchedulerTest, PressureIsToldOnceUntilItIsOver) {
  int calls = 0;
  scheduler_.OnPressure([&calls] { ++calls; });
  Hang(kA);
  Submit(kA, 4);
  ASSERT_TRUE(Begun(kA, 4));
  scheduler_.Submit({nullptr, kA, kBytes, 0});
  scheduler_.Submit({nullptr, kA, kBytes, 0});
  EXPECT_EQ(calls, 1);
  Answer({kA});
  ASSERT_TRUE(Done(kA, 6));
  EXPECT_FALSE(scheduler_.Judge().kept);
  Hang(kA);
  Submit(kA, 4);
  ASSERT_TRUE(Begun(kA, 10));
  scheduler_.Submit({nullptr, kA, kBytes, 0});
  EXPECT_EQ(calls, 2);
}

TEST_F(ReadSchedulerTest, ASourceThatHangsDoesNotKeepOthers) {
  Hang(kA);
  Submit(kA, 64);
  ASSERT_TRUE(Begun(kA, kActive));
  Submit(kC);
  ASSERT_TRUE(Begun(kC, 0)) << "for as long as a is not known to hang";
  EXPECT_EQ(scheduler_.Judge().threads, 0u);
  const ReadScheduler::Judgement judgement = JudgeLater();
  EXPECT_TRUE(judgement.kept);
  EXPECT_EQ(judgement.threads, kActive);
  EXPECT_EQ(scheduler_.most_inside(), 2 * kActive);
  ServeWaiting(judgement.threads);
  ASSERT_TRUE(Done(kC, 1));
  EXPECT_TRUE(Begun(kA, kActive + ReadScheduler::kFileProbes)) << "and no more threads than that";
  JudgeLater();
  Submit(kC, 100);
  EXPECT_TRUE(Done(kC, 101));
  EXPECT_TRUE(Begun(kA, kActive + ReadScheduler::kFileProbes));

  Answer({kA});
  EXPECT_TRUE(Done(kA, 64));
  EXPECT_FALSE(JudgeLater().kept);
  EXPECT_EQ(scheduler_.most_inside(), kActive);
}

// The file system is a suspect as well then, for as long as no other file of it is read.
TEST_F(ReadSchedulerTest, AFileThatHangsDoesNotKeepOthersOfItsFileSystem) {
  Hang(kA);
  Submit(kA, 64);
  ASSERT_TRUE(Begun(kA, kActive));
  for (int i = 0; i < 5; ++i) {
    ServeWaiting(JudgeLater().threads);
    ASSERT_TRUE(Begun(kA, kActive + ReadScheduler::kFileProbes));
    Submit(kB, 10);
    ASSERT_TRUE(Done(kB, 10 * (i + 1))) << i;
  }
  Answer({kA});
  EXPECT_TRUE(Done(kA, 64));
}

// As many files as there may be: their server takes so many threads, and a few.
TEST_F(ReadSchedulerTest, AFileSystemThatHangsIsOneSource) {
  static_assert(kActive <= ReadScheduler::kFileSystemProbes);
  Hang(kA);
  Hang(kB);
  Submit(kA, 4);
  ASSERT_TRUE(Begun(kA, 4));
  Submit(kB, 64);
  ASSERT_TRUE(Begun(kB, 0));
  for (int i = 0; i < 5; ++i) {
    ServeWaiting(JudgeLater().threads);
    EXPECT_TRUE(Begun(kB, kActive)) << "as many as there was room for before b was a suspect itself";
  }
  Submit(kC, 20);
  EXPECT_TRUE(Done(kC, 20));
  Answer({kB});
  EXPECT_TRUE(Done(kB, 64)) << "its file system answers again";
  Answer({kA});
  EXPECT_TRUE(Done(kA, 4));
}

// c is inside of reads that hang because of a: the first read that needs c only shows that it is well.
TEST_F(ReadSchedulerTest, ASourceThatIsSuspectedWronglyIsCleared) {
  Hang(kZ);
  Submit(kZ, 6);
  ASSERT_TRUE(Begun(kZ, 4));
  ServeWaiting(JudgeLater().threads);
  ASSERT_TRUE(Begun(kZ, 5)) << "one more as a probe; else a thread of c's reads might go on with it, and hang";
  for (int i = 0; i < 5; ++i) {
    Submit(kC, 10);
    EXPECT_TRUE(Done(kC, 10 * (i + 1))) << i;
    ServeWaiting(JudgeLater().threads);
  }
  Answer({kZ});
  EXPECT_TRUE(Done(kZ, 6));
}

TEST_F(ReadSchedulerTest, SilencesNameTheFilesWhoseReadsHang) {
  EXPECT_THAT(scheduler_.Silences(std::chrono::milliseconds(0)), IsEmpty());
  Hang(kA);
  Submit(kA, 2);
  Submit(kC);
  ASSERT_TRUE(Begun(kA, 2) && Done(kC, 1));
  const auto later = ReadScheduler::Clock::now() + std::chrono::seconds(3);
  const auto silences = scheduler_.Silences(std::chrono::seconds(2), later);
  ASSERT_THAT(silences, SizeIs(1));
  EXPECT_EQ(silences[0].source, "a");
  EXPECT_GE(silences[0].time, std::chrono::seconds(3));
  EXPECT_THAT(scheduler_.Silences(std::chrono::hours(1), later), IsEmpty());
}

// Many threads, sources that are suspected again and again, and a limit that rises and falls: no read is forgotten.
TEST_F(ReadSchedulerTest, EveryReadIsPerformedOnce) {
  constexpr int kThreads = 16;
  constexpr int kReads = 2000;
  std::atomic<int> performed{0};
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  ReadScheduler busy(
      tree_, SourcesOf(*tree_), kActive,
      [&](const ReadScheduler::Read&) {
        const int now = inside.fetch_add(1) + 1;
        for (int seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) continue;
        std::this_thread::yield();
        inside.fetch_sub(1);
        performed.fetch_add(1);
      },
      [](const ReadScheduler::Read&, int) { ADD_FAILURE() << "refused"; });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kReads; ++i) busy.Submit({nullptr, std::array{kA, kB, kC, kZ}[(t + i) % 4], kBytes, 0});
    });
  }
  std::atomic<bool> over{false};
  std::thread judge([&] {
    for (int i = 0; !over.load(); ++i) {
      const auto now = ReadScheduler::Clock::now() + (i % 8 == 0 ? kLater : ReadScheduler::Clock::duration(0));
      if (busy.Judge(now).threads > 0) busy.ServeWaiting();
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  const auto patience_ends = ReadScheduler::Clock::now() + std::chrono::seconds(60);
  while (performed.load() < kThreads * kReads && ReadScheduler::Clock::now() < patience_ends) std::this_thread::yield();
  EXPECT_EQ(performed.load(), kThreads * kReads);
  over.store(true);
  judge.join();
  EXPECT_LE(static_cast<unsigned>(most.load()), busy.most_ever_inside());
  EXPECT_FALSE(busy.Judge().kept);
}

TEST_F(ReadSchedulerTest, WhatIsKeptBackCanBeRefused) {
  Hang(kA);
  Submit(kA, 4);
  ASSERT_TRUE(Begun(kA, 4));
  Submit(kA, 5);
  ASSERT_TRUE(Begun(kA, 4));
  JudgeLater();
  scheduler_.RefuseWaiting(ECONNABORTED);
  EXPECT_EQ(refused_, std::vector<int>(5, ECONNABORTED));
  EXPECT_FALSE(scheduler_.Judge().kept);
  Answer({kA});
  EXPECT_TRUE(Done(kA, 4));
}

}  // namespace
}  // namespace shardfs
