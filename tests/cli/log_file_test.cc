#include "console/log_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "console/logging.h"
#include "fuse/temporary_mount.h"
#include "tools/read_text.h"

namespace shardfs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class LogFileTest : public testing::Test {
 protected:
  void TearDown() override { spdlog::set_default_logger(before_); }

  void ExpectRefused(const std::string& path, const std::string& reason) const {
    const auto file = OpenLogFile(path);
    ASSERT_FALSE(file.ok()) << path;
    EXPECT_EQ(file.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(file.status().message()), AllOf(HasSubstr("log file " + path), HasSubstr(reason)));
  }

  MountableDirectory directory_;
  std::string path_ = directory_.path() / "log";
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(LogFileTest, RefusesWhatCannotBeALog) {
  ExpectRefused(directory_.path(), "directory");
  ExpectRefused(path_ + "/below", "there is no directory");
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  ExpectRefused(path_, "is a FIFO that no process reads");
}

TEST_F(LogFileTest, AFifoThatIsReadIsALogAndNeverWaitedFor) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const FileDescriptor reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader.valid());
  ASSERT_TRUE(LogToFile(path_).ok());
  for (int i = 0; i < 5000; ++i) spdlog::info("line {}", i);  // far more than the pipe holds
  std::string text(1 << 20, '\0');
  ssize_t count = ::read(reader.get(), text.data(), text.size());
  ASSERT_GT(count, 0);
  EXPECT_THAT(text.substr(0, 200), HasSubstr("info: line 0\n"));
  spdlog::info("the last");
  count = ::read(reader.get(), text.data(), text.size());
  ASSERT_GT(count, 0);
  text.resize(static_cast<std::size_t>(count));
  EXPECT_THAT(text, AllOf(HasSubstr(" lines of this log are lost here: Resource temporarily unavailable\n"),
                          HasSubstr("info: the last\n")));
}

TEST_F(LogFileTest, AFullDiskIsCountedAndSaidOnceThereIsRoom) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(LogToFile("/dev/full").ok());
  for (int i = 0; i < 3; ++i) spdlog::error("a line that is lost");
  ContinueLogIn(*OpenLogFile(path_));
  spdlog::info("a line that is written");
  spdlog::info("another");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(ReadTextOf(path_),
              MatchesRegex("[^\n]* warning: 3 lines of this log are lost here: No space left on device\n"
                           "[^\n]* info: a line that is written\n[^\n]* info: another\n"));
}

TEST_F(LogFileTest, GoesOnUnderItsNameAfterRotation) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  ASSERT_TRUE(LogToFile("log").ok());
  std::filesystem::current_path("/");  // as a daemon does
  spdlog::info("first");
  std::filesystem::rename(path_, path_ + ".1");
  spdlog::info("second");
  ReopenLog();
  spdlog::info("third");
  std::filesystem::current_path(before);
  EXPECT_THAT(ReadTextOf(path_ + ".1"), MatchesRegex("[^\n]*first\n[^\n]*second\n"));
  EXPECT_THAT(ReadTextOf(path_), MatchesRegex("[^\n]*SIGHUP: the log goes on in [^\n]*log\n[^\n]*third\n"));
}

TEST_F(LogFileTest, KeepsTheOldFileWhereTheNewOneCannotBeOpened) {
  ASSERT_TRUE(LogToFile(path_).ok());
  std::filesystem::rename(path_, path_ + ".1");
  std::filesystem::create_directory(path_);
  ReopenLog();
  EXPECT_THAT(ReadTextOf(path_ + ".1"), MatchesRegex("[^\n]*warning: SIGHUP: cannot write the log file [^\n]*\n"));
}

}  // namespace
}  // namespace shardfs
