// What is left of the process that called `shardfs mount`: nothing of its descriptors in the daemon, and no mount that
// it did not announce.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "faults/fault_mount.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

class CallerFaults : public MountFaults {
 protected:
  // Where the descriptors of a process lead.
  static std::multiset<std::string> DescriptorsOf(pid_t pid) {
    std::multiset<std::string> targets;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
      std::error_code gone;
      targets.insert(fs::read_symlink(entry.path(), gone));
    }
    return targets;
  }

  // Mounts from a script that holds a lock on descriptor 9, a pipe on 3 and a file on 200, and expects all of them let
  // go by the time the script has ended.
  void ExpectThatAScriptLosesItsOwn(const std::vector<std::string>& more, const char* way) {
    std::vector<std::string> arguments = MountArguments(more);
    arguments.insert(arguments.begin(), {directory_.path(), SHARDFS_EXECUTABLE});
    const ProgramResult result = RunScript(
        "cd \"$1\" || exit 99; shift; mkfifo fifo; exec 9> lock 200> file; flock -x 9 || exit 98\n"
        "cat fifo > /dev/null & reader=$!; exec 3> fifo\n" +
            std::string(way) +
            "\n"
            "exec 3>&- 9>&- 200>&-; wait $reader; flock -n lock true || echo the lock is still held",
        arguments);
    EXPECT_EQ(result.exit_code, 0) << "the reader of the pipe must see its end: " << result.out;
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(WaitUntil([this] { return IsMounted(point_); }));
    for (const pid_t pid : Daemons()) {
      for (const std::string& target : DescriptorsOf(pid)) {
        const fs::path name = fs::path(target).filename();
        EXPECT_TRUE(name != "lock" && name != "fifo" && name != "file") << target;
      }
    }
    EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
    EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
    fs::remove(directory_.path() / "fifo");
  }

  // Sends `number` to the mount command after `delay` and sees to it that a mount is left exactly where the command has
  // announced one. Whether it died of the signal.
  bool SignalAndCheck(const std::vector<std::string>& more, int number, std::chrono::microseconds delay) {
    ShardfsProcess command(MountArguments(more));
    std::this_thread::sleep_for(delay);
    command.Signal(number);
    const int exit_code = command.Wait().exit_code;
    if (exit_code == 0) {
      EXPECT_TRUE(IsMounted(point_)) << "announced, and not there";
      EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
    }
    const bool all_ended = WaitUntil([this] { return Daemons().empty(); });
    if (!all_ended && number == SIGKILL && exit_code != 0 && IsMounted(point_)) {
      // Killed between announcing the mount and its own end, which no process can make one. On a busy machine it
      // happens.
      EXPECT_EQ(RunShardfs({"status", point_}).exit_code, 0);
      EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
      EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
      EXPECT_LE(++killed_while_announcing_, 1);
      return true;
    }
    EXPECT_TRUE(all_ended) << "after signal " << number;
    EXPECT_FALSE(IsMounted(point_)) << "left by a command that ended with " << exit_code;
    return exit_code != 0;
  }

  int killed_while_announcing_ = 0;

  void SignalAroundReadiness(const std::vector<std::string>& more) {
    const auto begin = steady_clock::now();
    Mount(more);
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - begin);
    EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
    EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
    constexpr int kSteps = 24;
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGKILL}) {
      int died = 0;
      for (int i = 0; i < kSteps && !HasFailure(); ++i) {
        died += SignalAndCheck(more, number, took * i / 18) ? 1 : 0;
      }
      EXPECT_GT(died, 0) << "signal " << number;
    }
  }
};

TEST_F(CallerFaults, AScriptThatMountsLosesItsLockAndItsPipe) {
  ExpectThatAScriptLosesItsOwn({}, "\"$@\" || exit 97");
  ExpectThatAScriptLosesItsOwn({"--foreground"}, "\"$@\" 2> /dev/null > /dev/null &");
}

TEST_F(CallerFaults, SoItDoesWhereTheServerIsAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give up root";
  ExpectThatAScriptLosesItsOwn({"--run-as", "1001:1001"}, "\"$@\" || exit 97");
  ExpectThatAScriptLosesItsOwn({"--run-as", "1001:1001", "--foreground"}, "\"$@\" 2> /dev/null > /dev/null &");
}

// The supervisor has its own few, and none of the source or of the connection to the kernel.
TEST_F(CallerFaults, TheSupervisorHasNothingOfTheServer) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give up root";
  Mount({"--run-as", "1001:1001"});
  const std::vector<pid_t> daemons = Daemons();
  ASSERT_EQ(daemons.size(), 2u);
  const auto own = DescriptorsOf(daemons[0]);
  EXPECT_EQ(own.count("/dev/fuse"), 0u);
  EXPECT_EQ(own.count("/dev/null"), 3u);
  EXPECT_EQ(own.count(log_), 1u);
  EXPECT_EQ(own.count("anon_inode:[signalfd]"), 1u);
  EXPECT_EQ(own.size(), 6u) << "the sixth is the socket to the server: " << testing::PrintToString(own);
  // And the server has nothing of the command: a pipe would be one to it.
  for (const std::string& target : DescriptorsOf(daemons[1])) EXPECT_FALSE(target.starts_with("pipe:")) << target;
}

TEST_F(CallerFaults, WhatAServiceManagerPassesStays) {
  std::vector<std::string> arguments = MountArguments({"--foreground"});
  arguments.insert(arguments.begin(), {directory_.path() / "passed", SHARDFS_EXECUTABLE});
  const ProgramResult result = RunScript(
      "exec 3> \"$1\" 4> \"$1.not\"; shift\n"
      "(export LISTEN_FDS=1 LISTEN_PID=$BASHPID; exec \"$@\" > /dev/null 2> /dev/null) &",
      arguments);
  EXPECT_EQ(result.exit_code, 0) << result.out;
  ASSERT_TRUE(WaitUntil([this] { return IsMounted(point_); }));
  const auto own = DescriptorsOf(Daemons().at(0));
  EXPECT_EQ(own.count(directory_.path() / "passed"), 1u);
  EXPECT_EQ(own.count(directory_.path() / "passed.not"), 0u);
}

TEST_F(CallerFaults, ACommandThatASignalEndsLeavesNoMount) { SignalAroundReadiness({}); }

TEST_F(CallerFaults, NorDoesOneWhoseServerIsAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give up root";
  SignalAroundReadiness({"--run-as", "1001:1001"});
}

// Ctrl-C at a terminal reaches the command and the daemon that is on its way.
TEST_F(CallerFaults, ASignalToTheWholeGroupLeavesNoMount) {
  for (int i = 0; i < 12; ++i) {
    std::vector<std::string> arguments = MountArguments();
    arguments.insert(arguments.begin(), {std::to_string(0.004 * i), SHARDFS_EXECUTABLE});
    const ProgramResult result =
        RunScript("delay=$1; shift; set -m; \"$@\" > /dev/null 2> /dev/null & sleep $delay; kill -INT -- -$!; wait $!",
                  arguments);
    if (result.exit_code == 0) {
      EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
    }
    EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
    EXPECT_FALSE(IsMounted(point_)) << result.exit_code;
  }
}

class HangupFaults : public MountFaults {
 protected:
  // Renames the log, as log rotation does, and sends SIGHUP to one of the daemons.
  void ExpectThatTheLogGoesOn(std::size_t which) const {
    fs::rename(log_, log_ + ".1");
    ASSERT_EQ(::kill(Daemons().at(which), SIGHUP), 0);
    EXPECT_TRUE(WaitUntil([this] { return ReadTextOf(log_).find("SIGHUP: the log goes on in") != std::string::npos; }));
    EXPECT_TRUE(IsMounted(point_));
    EXPECT_EQ(ReadPastTheCache(point_ + "/tokenizer.json").error, 0);
  }
};

TEST_F(HangupFaults, TheDaemonGoesOnInANewLogFile) {
  Mount();
  for (int round = 0; round < 3; ++round) ExpectThatTheLogGoesOn(0);
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([this] { return Log().find("unmounted " + point_) != std::string::npos; }));
}

// The server may not open the file of root's log: its supervisor does.
TEST_F(HangupFaults, SoDoesAServerThatHasGivenUpRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give up root";
  const fs::path private_directory = directory_.MakeDirectory("private");
  fs::permissions(private_directory, fs::perms::owner_all);
  log_ = private_directory / "log";
  Mount({"--run-as", "1001:1001"});
  ASSERT_EQ(Daemons().size(), 2u);
  for (const std::size_t which : {0u, 1u, 0u}) ExpectThatTheLogGoesOn(which);
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  // The line is the server's.
  EXPECT_TRUE(WaitUntil([this] { return Log().find("unmounted " + point_) != std::string::npos; })) << Log();
}

TEST_F(HangupFaults, WithoutALogFileNothingHappens) {
  std::vector<std::string> arguments = MountArguments();
  std::erase(arguments, "--log-file");
  std::erase(arguments, log_);
  ASSERT_EQ(RunShardfs(arguments).exit_code, 0);
  ASSERT_EQ(::kill(Daemons().at(0), SIGHUP), 0);
  EXPECT_EQ(ReadPastTheCache(point_ + "/tokenizer.json").error, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_TRUE(IsMounted(point_));
  EXPECT_EQ(Daemons().size(), 1u);
}

// A service that its manager keeps in the foreground has no terminal that could go away.
TEST_F(HangupFaults, InTheForegroundItDependsOnTheTerminalAndTheLog) {
  const auto start = [&](const std::string& how, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), SHARDFS_EXECUTABLE);
    EXPECT_EQ(RunScript(how, arguments).exit_code, 0);
    ASSERT_TRUE(WaitUntil([this] { return IsMounted(point_); }));
  };
  start("setsid \"$@\" > /dev/null 2> /dev/null &", MountArguments({"--foreground"}));
  ExpectThatTheLogGoesOn(0);
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));

  if (RunScript("command -v script", {}).exit_code != 0) GTEST_SKIP() << "needs script(1), for a terminal";
  start("words=$(printf \"%q \" \"$@\"); script -qc \"$words\" /dev/null > /dev/null 2> /dev/null < /dev/null &",
        MountArguments({"--foreground"}));
  ASSERT_EQ(::kill(Daemons().at(0), SIGHUP), 0);
  EXPECT_TRUE(WaitUntil([this] { return !IsMounted(point_) && Daemons().empty(); }));
}

}  // namespace
}  // namespace shardfs
