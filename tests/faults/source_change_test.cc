// The source changes under the mount: what was right stays right, what is not is an error, and somebody is told.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include "faults/fault_mount.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kHarmed = "model-00002-of-00002.safetensors";

class SourceFaults : public MountFaults {
 protected:
  // Reads every file: those in `harmed` must fail, each with one line in the log that names it and the source file, and
  // all others give their bytes.
  void ExpectErrorsOfExactly(const std::set<std::string>& harmed, const std::map<std::string, std::string>& expected) {
    ASSERT_FALSE(harmed.empty());
    ASSERT_LT(harmed.size(), expected.size());
    for (const auto& [path, bytes] : expected) {
      const ReadOutcome outcome = ReadPastTheCache(point_ + "/" + path);
      if (harmed.contains(path)) {
        EXPECT_EQ(outcome.error, EIO) << path;
        EXPECT_EQ(LinesAbout(path, kHarmed), 1u) << path;
      } else {
        EXPECT_EQ(outcome.error, 0) << path;
        EXPECT_TRUE(outcome.bytes == bytes) << path;
      }
    }
    EXPECT_EQ(Occurrences(Log(), "cannot read "), harmed.size());
    const std::string status = ReadTextOf(point_ + "/.shardfs/status.json");
    EXPECT_THAT(status.substr(std::min(status.find("\"changed\""), status.size())), HasSubstr(kHarmed)) << status;
    ASSERT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
    const std::string summary = ", " + std::to_string(harmed.size()) + " failed reads";
    EXPECT_TRUE(WaitUntil([&] { return Log().find(summary) != std::string::npos; })) << Log();
  }

  // Reads everything until the log has that many warnings: reads look at the source, once a second. And on, for two
  // more looks, which must not warn again.
  void ReadUntilWarnedAndOnce(const std::map<std::string, std::string>& expected, std::size_t warnings) const {
    const auto read_everything = [&] {
      for (const auto& [path, bytes] : expected) {
        EXPECT_TRUE(ReadPastTheCache(point_ + "/" + path).bytes == bytes) << path;
      }
    };
    EXPECT_TRUE(WaitUntil([&] {
      read_everything();
      return Occurrences(Log(), "warning") >= warnings;
    }));
    for (int look = 0; look < 2; ++look) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1100));
      read_everything();
    }
  }

  std::size_t LinesAbout(const std::string& path, const std::string& source_file) const {
    std::istringstream lines(Log());
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.find(" of " + path + " (source ") != std::string::npos &&
          line.find("'" + source_file + "'") != line.npos)
        ++count;
    }
    return count;
  }
};

TEST_F(SourceFaults, F1_TruncatedSourceFailsWhatItFeedsAndNothingElse) {
  const auto expected = ExpectedFiles();
  const auto harmed = FilesFedBy(kHarmed);
  Mount();
  fs::resize_file(fs::path(source_) / kHarmed, 100'000);
  ExpectErrorsOfExactly(harmed, expected);
  EXPECT_THAT(Log(), HasSubstr("its size was 366224 bytes and is 100000"));
}

TEST_F(SourceFaults, F2_SourceOverwrittenInPlaceIsSeenAtTheNextRead) {
  const auto expected = ExpectedFiles();
  const auto harmed = FilesFedBy(kHarmed);
  Mount();
  // mtime may be counted in ticks of the clock: the next one must have come.
  const fs::path probe = directory_.path() / "probe";
  ASSERT_TRUE(WaitUntil([&] {
    std::ofstream(probe) << "x";
    return fs::last_write_time(probe) > fs::last_write_time(fs::path(source_) / kHarmed);
  }));
  const FileDescriptor file(::open((source_ + "/" + kHarmed).c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::pwrite(file.get(), "x", 1, 300'000), 1);
  ExpectErrorsOfExactly(harmed, expected);
  EXPECT_THAT(Log(), HasSubstr("its modification time was"));
}

TEST_F(SourceFaults, F2_ChangesThatLeaveTheBytesAloneAreNoAlarm) {
  const auto expected = ExpectedFiles();
  Mount();
  const fs::path file = fs::path(source_) / kHarmed;
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  fs::create_hard_link(file, source_ + "/backup");
  fs::remove(source_ + "/backup");
  fs::rename(file, source_ + "/away");
  fs::rename(source_ + "/away", file);
  for (const auto& [path, bytes] : expected) {
    EXPECT_TRUE(ReadPastTheCache(point_ + "/" + path).bytes == bytes) << path;
  }
  EXPECT_EQ(Occurrences(Log(), "warning"), 0u) << Log();
}

TEST_F(SourceFaults, F3_ReplacedAndDeletedNamesKeepTheirBytesAndAreWarnedOfOnce) {
  const auto expected = ExpectedFiles();
  Mount();
  std::ofstream(source_ + "/new") << "another model";
  fs::rename(source_ + "/new", source_ + "/model-00001-of-00002.safetensors");
  fs::remove(source_ + "/tokenizer.json");
  ReadUntilWarnedAndOnce(expected, 2);
  const std::string log = Log();
  EXPECT_EQ(Occurrences(log, "'model-00001-of-00002.safetensors' has been replaced"), 1u) << log;
  EXPECT_EQ(Occurrences(log, "'tokenizer.json' has been deleted"), 1u) << log;
  EXPECT_EQ(Occurrences(log, "warning"), 2u) << log;
}

// As models are updated in most places: another directory gets the name.
TEST_F(SourceFaults, F3_ADirectoryInTheSourcesPlaceIsWarnedOfOnce) {
  const auto expected = ExpectedFiles();
  Mount();
  fs::rename(source_, source_ + ".old");
  fs::copy(source_ + ".old", source_);
  std::ofstream(source_ + "/tokenizer.json") << "another model";
  ReadUntilWarnedAndOnce(expected, 1);
  EXPECT_EQ(Occurrences(Log(), "source directory '" + source_ + "' has been replaced"), 1u) << Log();
  EXPECT_EQ(Occurrences(Log(), "warning"), 1u) << Log();
}

// Reads one file again and again until it fails; false when it gave wrong bytes or failed with another error than EIO.
bool ReadsRightUntilItFails(const fs::path& file, const std::string& expected, const std::atomic<bool>& stop,
                            std::atomic<int>& reads) {
  while (!stop) {
    const ReadOutcome outcome = ReadPastTheCache(file);
    if (outcome.error != 0) return outcome.error == EIO;
    if (outcome.bytes != expected) return false;
    ++reads;
  }
  return true;
}

// Mapped sources are read by gathering and transposing loops, which a truncation interrupts by SIGBUS.
TEST_F(SourceFaults, F1_NoTruncationUnderAReadEndsTheDaemon) {
  const auto expected = ExpectedFiles();
  for (int round = 0; round < 20; ++round) {
    for (const auto& entry : fs::directory_iterator(GoldenCase() + "/source")) {
      fs::copy(entry.path(), source_, fs::copy_options::overwrite_existing);
    }
    ShardfsProcess daemon(MountArguments({"--foreground"}));
    ASSERT_TRUE(WaitUntil([&] { return IsMounted(point_) || !daemon.Running(); }));
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::atomic<int> reads{0};
    std::atomic<int> ended{0};
    std::vector<std::thread> readers;
    for (const char* file : {"model-attn-tp-000", "model-attn-tp-001", "model-moe-tp-000-ep-000",
                             "model-moe-tp-001-ep-001", "model-dense-tp-000", "model-norm"}) {
      readers.emplace_back([&, path = std::string(file) + "/model.safetensors"] {
        if (!ReadsRightUntilItFails(point_ + "/" + path, expected.at(path), stop, reads)) ++wrong;
        ++ended;
      });
    }
    EXPECT_TRUE(WaitUntil([&] { return reads > 0; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(round));  // at another place of a read in each round
    for (const auto& entry : fs::directory_iterator(source_)) {
      if (entry.path().extension() == ".safetensors") fs::resize_file(entry.path(), round % 2 == 0 ? 0 : 150'000);
    }
    EXPECT_TRUE(WaitUntil([&] { return ended == static_cast<int>(readers.size()); })) << "a changed source is read on";
    stop = true;
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(wrong, 0) << "round " << round;
    ASSERT_TRUE(daemon.Running()) << "round " << round << ": " << Log();
    ASSERT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
    ASSERT_EQ(daemon.Wait().exit_code, 0) << "round " << round;
  }
  EXPECT_THAT(Log(), HasSubstr("has changed since it was opened"));
}

}  // namespace
}  // namespace shardfs
