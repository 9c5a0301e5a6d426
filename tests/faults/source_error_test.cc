// The source's device fails under the mount: errors of the reads that meet it, and of nothing else.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <memory>

#include "cli/slow_filesystem.h"
#include "faults/fault_mount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class SourceErrors : public MountFaults {
 protected:
  // Mounts the source by way of a file system whose reads can be made to fail.
  void SetUp() override {
    MountFaults::SetUp();
    if (IsSkipped()) return;
    expected_ = ExpectedFiles();
    device_ = source_;
    filesystem_ = std::make_unique<SlowFilesystem>(device_, std::chrono::milliseconds(0));
    ASSERT_TRUE(filesystem_->mounted());
    source_ = filesystem_->path();
    Mount();
  }

  // Every Nth read from the device fails; none for 0.
  void Fail(int every) const { std::ofstream(device_ + "/.fail") << every; }

  void ForgetWhatIsCached() const {
    for (const auto& entry : fs::directory_iterator(source_)) {
      const FileDescriptor file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
      ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
  }

  void ExpectRightBytes() const {
    for (const auto& [path, bytes] : expected_) {
      EXPECT_TRUE(ReadPastTheCache(point_ + "/" + path).bytes == bytes) << path;
    }
  }

  std::map<std::string, std::string> expected_;
  std::string device_;
  std::unique_ptr<SlowFilesystem> filesystem_;
};

TEST_F(SourceErrors, F4_ADeviceThatFailsForAWhileFailsReadsForThatWhile) {
  ForgetWhatIsCached();
  Fail(1);
  std::size_t failed = 0;
  for (const auto& [path, bytes] : expected_) {
    const ReadOutcome outcome = ReadPastTheCache(point_ + "/" + path);  // a hang is the time limit's to find
    if (outcome.error == 0) {
      EXPECT_TRUE(outcome.bytes == bytes) << path;  // made up, or still cached
    } else {
      EXPECT_EQ(outcome.error, EIO) << path;
      EXPECT_EQ(Occurrences(Log(), " of " + path + " (source "), 1u) << path;
      ++failed;
    }
  }
  EXPECT_GT(failed, 10u);
  EXPECT_EQ(Occurrences(Log(), " (source "), failed);
  EXPECT_EQ(Occurrences(Log(), "has changed"), 0u);
  EXPECT_THAT(Log(), HasSubstr("Input/output error"));
  EXPECT_THAT(Log(), Not(HasSubstr("mapped page"))) << "few rows are read by system calls, whose errors name the bytes";
  const ProgramResult status = RunShardfs({"status", point_});
  EXPECT_EQ(status.exit_code, 5) << status.out;
  EXPECT_THAT(status.out, HasSubstr(": degraded"));

  Fail(0);
  ExpectRightBytes();
  EXPECT_TRUE(GaugesReturnToZero(point_));
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
}

TEST_F(SourceErrors, F4_ReadsThatAreTriedAgainGetTheRightBytes) {
  Fail(3);
  for (int round = 0; round < 3; ++round) {
    ForgetWhatIsCached();
    for (const auto& [path, bytes] : expected_) {
      ReadOutcome outcome{.bytes = "", .error = EIO};
      for (int attempt = 0; attempt < 200 && outcome.error == EIO; ++attempt) {
        outcome = ReadPastTheCache(point_ + "/" + path);
      }
      EXPECT_EQ(outcome.error, 0) << path;
      EXPECT_TRUE(outcome.bytes == bytes) << path;
    }
  }
  EXPECT_THAT(Log(), HasSubstr("cannot read "));
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
}

}  // namespace
}  // namespace shardfs
