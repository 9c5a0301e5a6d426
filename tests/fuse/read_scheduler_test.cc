#include "fuse/read_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "fuse/watched_source.h"
#include "view/tree_sources.h"

namespace shardfs {
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
