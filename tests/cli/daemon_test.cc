#include "cli/daemon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace shardfs {
namespace {

using ::testing::HasSubstr;

// Every child ends in _exit, so that it never returns into the test framework.
int RunChild(
    const std::function<int(const ReadyNotifier&)>& serve,
    const std::function<Status()>& check = [] { return Status::Ok(); }) {
  return RunAsDaemon([&serve](const ReadyNotifier& ready) -> int { ::_exit(serve(ready)); }, check);
}

TEST(DaemonTest, ReturnsZeroOnceTheChildIsReady) {
  int checked = 0;
  const int code = RunChild(
      [](const ReadyNotifier& ready) {
        std::thread(ready).join();  // from whatever thread
        return 7;
      },
      [&checked] {
        ++checked;
        return Status::Ok();
      });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(checked, 1);
  ::wait(nullptr);
}

TEST(DaemonTest, PassesOnTheExitCodeOfAFailure) {
  EXPECT_EQ(RunChild([](const ReadyNotifier&) { return 3; }), 3);
}

TEST(DaemonTest, EndingWithoutBeingReadyIsAFailure) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunChild([](const ReadyNotifier&) { return 0; }), 1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("ended before the mount was ready"));
}

TEST(DaemonTest, DyingOfASignalIsAFailureThatNamesIt) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunChild([](const ReadyNotifier&) { return ::raise(SIGKILL); }), 1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("killed by signal 9 (Killed)"));
}

TEST(DaemonTest, AFailedCheckStopsTheChild) {
  testing::internal::CaptureStderr();
  const int code = RunChild(
      [](const ReadyNotifier& ready) {
        ready();
        ::pause();  // until SIGTERM
        return 0;
      },
      [] { return Status::IoError("the mount does not answer"); });
  EXPECT_EQ(code, 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "shardfs: the mount does not answer\n");
  EXPECT_EQ(::waitpid(-1, nullptr, 0), -1) << "the child has been waited for";
}

TEST(DaemonTest, AReadyChildHasLetGoOfItsSurroundings) {
  int report[2];
  ASSERT_EQ(::pipe(report), 0);
  ASSERT_EQ(RunChild([&report](const ReadyNotifier& ready) {
              ready();
              char directory[2] = {};
              struct stat error {};
              struct stat null {};
              const bool detached = ::getcwd(directory, sizeof directory) != nullptr && directory[0] == '/' &&
                                    ::getsid(0) == ::getpid() && ::fstat(STDERR_FILENO, &error) == 0 &&
                                    ::stat("/dev/null", &null) == 0 && error.st_rdev == null.st_rdev;
              const char answer = detached ? 'y' : 'n';
              return ::write(report[1], &answer, 1) == 1 ? 0 : 1;
            }),
            0);
  char answer = 0;
  ASSERT_EQ(::read(report[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  ::close(report[0]);
  ::close(report[1]);
  ::wait(nullptr);
}

}  // namespace
}  // namespace shardfs
