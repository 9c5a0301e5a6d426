#include "service/daemon.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <thread>
#include <utility>

namespace shardfs {
namespace {

using ::testing::HasSubstr;

// Every child ends in _exit, so that it never returns into the test framework.
int RunChild(
    const std::function<int(const ReadyNotifier&)>& serve,
    const std::function<Status()>& check = [] { return Status::Ok(); },
    const std::function<void(int)>& leave = [](int) {}) {
  return RunAsDaemon([&serve](const ReadyNotifier& ready) -> int { ::_exit(serve(ready)); }, check, leave);
}

// A byte from the child of a command that has ended as `command` says; 0 when all of its processes end without.
class Report {
 public:
  Report() { EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0); }
  ~Report() {
    for (const int end : ends_) ::close(end);
  }
  void Write(char byte) const { (void)!::write(ends_[1], &byte, 1); }
  char Read() {
    ::close(std::exchange(ends_[1], -1));
    char byte = 0;
    return ::read(ends_[0], &byte, 1) == 1 ? byte : '\0';
  }

 private:
  int ends_[2] = {-1, -1};
};

// A daemon that is ready at once and writes 'u' when SIGTERM comes, 's' when it is told to stay.
int ServeAndReport(const ReadyNotifier& ready, const Report& report) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ready();
  const timespec now{};
  report.Write(::sigtimedwait(&set, nullptr, &now) == SIGTERM ? 'u' : 's');
  return 0;
}

// The wait status of a process that runs `command`.
int StatusOf(const std::function<int()>& command) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(command());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
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

TEST(DaemonTest, ASignalBeforeTheAnnouncementEndsBoth) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    Report report;
    const int status = StatusOf([&] {
      return RunChild([&](const ReadyNotifier& ready) { return ServeAndReport(ready, report); },
                      [number] {
                        ::kill(::getpid(), number);
                        ::pause();  // a check that never comes back
                        return Status::Ok();
                      });
    });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == number) << status;
    EXPECT_EQ(report.Read(), 'u') << "after signal " << number;
  }
}

TEST(DaemonTest, ASignalDuringTheAnnouncementComesTooLate) {
  Report report;
  const int status = StatusOf([&] {
    return RunChild([&](const ReadyNotifier& ready) { return ServeAndReport(ready, report); },
                    [] { return Status::Ok(); },
                    [](int code) {
                      ::kill(::getpid(), SIGTERM);
                      ::_exit(code);
                    });
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(report.Read(), 's');
}

TEST(DaemonTest, ACommandThatIsKilledTakesTheDaemonAlong) {
  Report before_ready;
  StatusOf([&] {
    return RunChild([&](const ReadyNotifier& ready) {
      ::kill(::getppid(), SIGKILL);
      ::sleep(60);  // ends with the command
      return ServeAndReport(ready, before_ready);
    });
  });
  EXPECT_EQ(before_ready.Read(), '\0');
  Report after_ready;
  const int status = StatusOf([&] {
    return RunChild([&](const ReadyNotifier& ready) { return ServeAndReport(ready, after_ready); },
                    []() -> Status {
                      ::kill(::getpid(), SIGKILL);
                      return Status::Ok();
                    });
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  EXPECT_EQ(after_ready.Read(), 'u');
}

TEST(DaemonTest, SignalsThatWereIgnoredStayIgnored) {
  Report report;
  const int status = StatusOf([&] {
    ::signal(SIGHUP, SIG_IGN);  // nohup
    return RunChild([&](const ReadyNotifier& ready) { return ServeAndReport(ready, report); },
                    [] {
                      ::kill(::getpid(), SIGHUP);
                      return Status::Ok();
                    });
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(report.Read(), 's');
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
