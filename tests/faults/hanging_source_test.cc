// A source that does not answer, as when a server is away: it takes its own readers and nothing else of the mount.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>

#include "cli/slow_filesystem.h"
#include "faults/fault_mount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kShard = "model-00001-of-00002.safetensors";
constexpr int kReaders = 64;
constexpr std::chrono::seconds kNoHang{60};  // for what should take no time: only a hang takes longer

class HangingSource : public MountFaults {
 protected:
  // Mounts the source by way of a file system whose files can be made to hang.
  void Start(std::chrono::seconds keep_attributes, const std::vector<std::string>& more = {}) {
    expected_ = ExpectedFiles();
    fed_ = FilesFedBy(kShard);
    filesystem_ = std::make_unique<SlowFilesystem>(source_, std::chrono::milliseconds(0), keep_attributes);
    ASSERT_TRUE(filesystem_->mounted());
    source_ = filesystem_->path();
    Mount(more);
    ForgetWhatIsCached();
  }

  void ForgetWhatIsCached() const {
    for (const auto& entry : fs::directory_iterator(source_)) {
      const FileDescriptor file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
      ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
  }

  std::string LargestFedFile() const {
    std::string largest;
    for (const std::string& path : fed_) {
      if (largest.empty() || expected_.at(path).size() > expected_.at(largest).size()) largest = path;
    }
    return largest;
  }

  // Each reads the whole file, past the kernel's cache, and exits with 0 when all bytes are right.
  std::vector<Child> StartReaders(const std::string& path) const {
    std::vector<Child> readers;
    for (int i = 0; i < kReaders; ++i) {
      readers.emplace_back([this, &path] {
        const ReadOutcome outcome = ReadPastTheCache(point_ + "/" + path);
        return outcome.error == 0 && outcome.bytes == expected_.at(path) ? 0 : 1;
      });
    }
    return readers;
  }

  bool RunsInTime(const std::function<int()>& body) const {
    Child child(body);
    return child.EndsWithin(kNoHang) && WIFEXITED(child.Status()) && WEXITSTATUS(child.Status()) == 0;
  }

  bool IsReadInTime(const std::string& path) const {
    return RunsInTime([&] { return ReadPastTheCache(point_ + "/" + path).bytes == expected_.at(path) ? 0 : 1; });
  }

  std::unique_ptr<SlowFilesystem> filesystem_;
  std::map<std::string, std::string> expected_;
  std::set<std::string> fed_;  // files of the view that have bytes of kShard
};

TEST_F(HangingSource, ReadersOfOneFileKeepNothingElse) {
  Start(std::chrono::hours(1));
  filesystem_->Hang(kShard);
  const std::string hanging = LargestFedFile();
  std::vector<Child> readers = StartReaders(hanging);
  const auto status = [&] { return RunShardfs({"status", point_}); };
  EXPECT_TRUE(WaitUntil([&] { return status().exit_code == 5; }, kNoHang));
  EXPECT_THAT(status().out, AllOf(HasSubstr(": SOURCE SILENT"), HasSubstr(std::string("'") + kShard + "' has not")));

  const std::string list = "ls -lR '" + point_ + "' > /dev/null";
  EXPECT_TRUE(RunsInTime([&] { return std::system(list.c_str()); }));
  std::size_t healthy = 0;
  for (const auto& [path, bytes] : expected_) {
    if (fed_.count(path) > 0) continue;
    EXPECT_TRUE(IsReadInTime(path)) << path;
    ++healthy;
  }
  EXPECT_GT(healthy, 5u);
  EXPECT_TRUE(IsReadInTime("config.json")) << "made by the layout";
  EXPECT_THAT(RunShardfs({"status", "--json", point_}).out, HasSubstr("\"health\": \"source_silent\""));
  for (Child& reader : readers) EXPECT_FALSE(reader.EndsWithin(std::chrono::milliseconds(0))) << "hangs no more";

  filesystem_->Answer();
  for (Child& reader : readers) {
    ASSERT_TRUE(reader.EndsWithin(kNoHang));
    EXPECT_EQ(WEXITSTATUS(reader.Status()), 0) << "wrong bytes, or an error";
  }
  EXPECT_TRUE(WaitUntil([&] { return status().exit_code == 0; }, kNoHang)) << status().out;
  EXPECT_TRUE(GaugesReturnToZero(point_));
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }, kNoHang));
}

// More readers than the mount has threads, one of which may be all that it has.
TEST_F(HangingSource, OneThreadIsEnough) {
  Start(std::chrono::hours(1), {"--threads", "1"});
  filesystem_->Hang(kShard);
  const std::string hanging = LargestFedFile();
  std::vector<Child> readers = StartReaders(hanging);
  for (const auto& [path, bytes] : expected_) {
    if (fed_.count(path) > 0) continue;
    EXPECT_TRUE(IsReadInTime(path)) << path;
  }
  filesystem_->Answer();
  for (Child& reader : readers) {
    ASSERT_TRUE(reader.EndsWithin(kNoHang));
    EXPECT_EQ(WEXITSTATUS(reader.Status()), 0);
  }
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
}

// Attributes hang as well: the first look at the source, which nothing has read yet, does not come back.
TEST_F(HangingSource, AMountThatNothingReadsAnswers) {
  Start(std::chrono::seconds(0));
  filesystem_->Hang("*");
  EXPECT_TRUE(IsReadInTime("config.json")) << "the first open looks at the source, but not on its own thread";
  const ProgramResult first = RunShardfs({"status", point_});
  EXPECT_TRUE(first.exit_code == 0 || first.exit_code == 5) << first.err << first.out;
  ProgramResult status;
  EXPECT_TRUE(WaitUntil([&] { return (status = RunShardfs({"status", point_})).exit_code == 5; }, kNoHang));
  EXPECT_THAT(status.out, AllOf(HasSubstr(": SOURCE SILENT"), HasSubstr("has not answered for")));
  const std::string list = "ls -lR '" + point_ + "' > /dev/null";
  EXPECT_TRUE(RunsInTime([&] { return std::system(list.c_str()); }));
  EXPECT_TRUE(IsReadInTime("config.json"));
  filesystem_->Answer();
  EXPECT_TRUE(WaitUntil([&] { return RunShardfs({"status", point_}).exit_code == 0; }, kNoHang));
  for (const auto& [path, bytes] : expected_) EXPECT_TRUE(IsReadInTime(path)) << path;
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
}

TEST_F(HangingSource, F12_ASignalEndsTheMountWhileReadsHang) {
  Start(std::chrono::hours(1));
  filesystem_->Hang(kShard);
  const std::string hanging = LargestFedFile();
  std::vector<Child> readers = StartReaders(hanging);
  EXPECT_TRUE(WaitUntil([&] { return RunShardfs({"status", point_}).exit_code == 5; }, kNoHang));
  const auto begin = std::chrono::steady_clock::now();
  ::kill(Daemons().at(0), SIGTERM);
  EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }, kNoHang));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kPromptly);
  EXPECT_FALSE(IsMounted(point_));
  for (Child& reader : readers) {
    ASSERT_TRUE(reader.EndsWithin(kNoHang)) << "readers must be let go";
    EXPECT_EQ(WEXITSTATUS(reader.Status()), 1) << "with an error";
  }
}

}  // namespace
}  // namespace shardfs
