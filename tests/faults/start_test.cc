// The mount fails to start, or what it logs to fails: whoever started it hears of the first, no reader of the second.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "faults/fault_mount.h"
#include "sanitizers/sanitized.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

#define SHARDFS_REQUIRE_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to make the surroundings that the test is about"

class StartFaults : public MountFaults {
 protected:
  // Runs the program with these arguments after `preparation`, in a mount namespace of its own. $1 there is a directory
  // to use.
  ProgramResult RunAfter(const std::string& preparation, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {directory_.MakeDirectory("dev"), SHARDFS_EXECUTABLE});
    return RunScript(
        "exec unshare --mount --propagation private bash -c '" + preparation + "; shift; exec \"$@\"' script \"$@\"",
        arguments);
  }

  void ExpectFailure(const ProgramResult& result, const std::string& reason) const {
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out, AllOf(StartsWith("shardfs: "), HasSubstr(reason)));
    EXPECT_EQ(Occurrences(result.out, "\n"), 1u) << result.out;
    EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
    EXPECT_FALSE(IsMounted(point_));
  }

  void ExpectRightBytes(const std::map<std::string, std::string>& expected) const {
    for (const auto& [path, bytes] : expected) {
      EXPECT_TRUE(ReadPastTheCache(point_ + "/" + path).bytes == bytes) << path;
    }
  }
};

TEST_F(StartFaults, F22_AFullLogDiskHasNoEffectOnReads) {
  SHARDFS_REQUIRE_ROOT();
  const std::string disk = directory_.MakeDirectory("disk");
  ASSERT_EQ(RunScript("mount -t tmpfs -o size=16k none \"$1\"", {disk}).exit_code, 0);
  log_ = disk + "/log";
  const auto expected = ExpectedFiles();
  const auto harmed = FilesFedBy("tokenizer.json");
  (void)RunScript(": > \"$1/log\"; cat /dev/zero > \"$1/fill\"", {disk});
  ASSERT_EQ(fs::space(disk).available, 0u);
  Mount();
  EXPECT_EQ(Log(), "");
  ExpectRightBytes(expected);
  // Errors want to be logged, which fails, and stay what they are.
  fs::resize_file(source_ + "/tokenizer.json", 1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ReadPastTheCache(point_ + "/tokenizer.json").error, EIO);
  EXPECT_EQ(ReadPastTheCache(point_ + "/config.json").bytes, expected.at("config.json"));
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
}

// A write beyond `ulimit -f` is a signal that ends a program which is not prepared for it.
TEST_F(StartFaults, F22_ALogAtTheLimitOfFileSizesHasNoEffectOnReads) {
  const auto expected = ExpectedFiles();
  for (const std::uint64_t written : {std::uint64_t{0}, std::uint64_t{1000}}) {
    std::ofstream(log_, std::ios::trunc) << std::string(written, '\n');
    std::vector<std::string> arguments = MountArguments();
    arguments.insert(arguments.begin(), SHARDFS_EXECUTABLE);
    const ProgramResult result = RunScript("ulimit -f 1; exec \"$@\"", arguments);
    ASSERT_EQ(result.exit_code, 0) << result.out;
    fs::resize_file(source_ + "/tokenizer.json", 1);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(ReadPastTheCache(point_ + "/tokenizer.json").error, EIO);
    EXPECT_EQ(ReadPastTheCache(point_ + "/config.json").bytes, expected.at("config.json"));
    EXPECT_LE(fs::file_size(log_), 1024u);
    EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
    EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
    std::ofstream(source_ + "/tokenizer.json", std::ios::trunc) << expected.at("tokenizer.json");
  }
}

// Descriptors 0 to 2 are free then, and would be given to sources or /dev/fuse, which messages are then written into.
TEST_F(StartFaults, F22_ClosedStandardStreamsHaveNoEffectOnReads) {
  const auto expected = ExpectedFiles();
  for (const char* closed : {"<&- >&- 2>&-", "<&-", ">&-", "2>&-", ">&- 2>&-"}) {
    std::vector<std::string> arguments = MountArguments();
    arguments.insert(arguments.begin(), SHARDFS_EXECUTABLE);
    const ProgramResult result = RunScript(std::string("exec \"$@\" ") + closed, arguments);
    ASSERT_EQ(result.exit_code, 0) << closed << result.out;
    ExpectRightBytes(expected);
    EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
    EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
  }
}

TEST_F(StartFaults, F22_AForegroundMountOutlivesTheReaderOfItsLog) {
  const auto expected = ExpectedFiles();
  std::vector<std::string> arguments = MountArguments({"--foreground"});
  arguments.erase(std::find(arguments.begin(), arguments.end(), "--log-file"));
  arguments.erase(std::find(arguments.begin(), arguments.end(), log_));
  arguments.insert(arguments.begin(), {point_, SHARDFS_EXECUTABLE});
  // The first line of the log ends its reader; the errors below would be written into the closed pipe.
  Child shell([&] {
    return RunScript("point=$1; shift; { \"$@\"; echo $? > \"$point.exit\"; } 2>&1 | head -n 1 > /dev/null", arguments)
        .exit_code;
  });
  ASSERT_TRUE(WaitUntil([this] { return IsMounted(point_); }));
  ExpectRightBytes(expected);
  fs::resize_file(source_ + "/tokenizer.json", 1);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ReadPastTheCache(point_ + "/tokenizer.json").error, EIO);
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_TRUE(shell.EndsWithin(kPromptly));
  EXPECT_EQ(ReadTextOf(point_ + ".exit"), "0\n");
}

TEST_F(StartFaults, F23_WithoutADevFuseTheCommandFails) {
  SHARDFS_REQUIRE_ROOT();
  const std::string no_device =
      "mount -t tmpfs none \"$1\" && mknod -m 0666 \"$1/null\" c 1 3 && mount --move \"$1\" /dev";
  ExpectFailure(RunAfter(no_device, MountArguments()), "cannot mount on " + point_ + ": device not found");
  ExpectFailure(RunAfter(no_device, MountArguments({"--foreground"})), "device not found");
}

TEST_F(StartFaults, F23_AMountThatTheKernelRefusesFailsTheCommand) {
  SHARDFS_REQUIRE_ROOT();
  ExpectFailure(RunAfter("mount --bind /dev/null /dev/fuse", MountArguments()), "cannot mount on " + point_);
  ExpectFailure(RunAfter("mount --bind /dev/null /dev/fuse", MountArguments({"--run-as", "1001:1001"})),
                "cannot mount on " + point_);
}

// As a user whose processes and threads are counted: the first fork, each thread and fusermount3 fail in turn.
TEST_F(StartFaults, F23_ProcessesAndThreadsThatCannotBeStartedFailTheCommand) {
  SHARDFS_REQUIRE_ROOT();
  // Nobody's, because all processes of a user count: the zombies of another run as well, until they are reaped.
  const std::string user = std::to_string(70'000 + ::getpid() % 50'000);
  const std::string program = directory_.path() / "shardfs";
  fs::copy(SHARDFS_EXECUTABLE, program);
  const std::string log = directory_.MakeDirectory("logs") + "/log";
  ASSERT_EQ(RunScript("chmod 0755 \"$1\" \"$2\" && chown -R \"$3\" \"$4\" \"$5\"",
                      {directory_.path(), program, user, point_, directory_.path() / "logs"})
                .exit_code,
            0);
  std::vector<std::string> arguments = MountArguments({"--threads", "2", "--log-file", log});
  arguments.erase(std::find(arguments.begin(), arguments.end(), log_) - 1,
                  std::find(arguments.begin(), arguments.end(), log_) + 1);
  arguments.insert(arguments.begin(), {point_, user, program});
  const auto mount_with = [&](int limit, std::vector<std::string> words) {
    return RunScript(
        WhereUsersMayMount(
            user,
            "point=$1 user=$2; shift 2\n"
            // LeakSanitizer starts a process itself, and makes a failure of it where it cannot.
            "export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0\n"
            "timeout 100 setpriv --reuid $user --regid $user --clear-groups prlimit --nproc=" +
                std::to_string(limit) +
                " \"$@\" || exit\n"
                "setpriv --reuid $user --regid $user --clear-groups cat $point/config.json > /dev/null || exit 98\n"
                "umount $point; exit 0"),
        words);
  };
  const auto expect_failure = [&](const ProgramResult& result, int limit) {
    if (kSanitized) {  // whose runtime wants threads of its own, and has words and exit codes for that
      EXPECT_THAT(result.out, HasSubstr("shardfs: ")) << "limit " << limit;
      return;
    }
    EXPECT_EQ(result.exit_code, 1) << "limit " << limit;
    EXPECT_THAT(result.out,
                AnyOf(HasSubstr("shardfs: cannot start the daemon: "), HasSubstr("shardfs: cannot start a thread: "),
                      HasSubstr("shardfs: pthread_create has failed: "),  // oneTBB's words
                      HasSubstr("shardfs: cannot mount on " + point_), HasSubstr("shardfs: serving has failed: ")))
        << "limit " << limit;
  };
  std::vector<std::string> in_the_foreground = arguments;
  in_the_foreground.emplace_back("--foreground");
  int limit = 1;
  for (; limit <= 12; ++limit) {
    const ProgramResult result = mount_with(limit, arguments);
    ASSERT_LT(result.exit_code, 98) << result.out;
    ASSERT_TRUE(WaitUntil([this] { return Daemons().empty(); })) << "limit " << limit;
    if (result.exit_code == 0) break;
    expect_failure(result, limit);
    // In the foreground there is one process less, so that it fails with one less, and the server alone can say so.
    if (limit > 1 && !kSanitized) expect_failure(mount_with(limit - 1, in_the_foreground), limit - 1);
  }
  EXPECT_GT(limit, 2) << "nothing has failed";
  EXPECT_LE(limit, 12) << "nothing could be mounted";
}

TEST_F(StartFaults, F23_SuccessMeansThatTheMountAnswers) {
  for (int i = 0; i < 10; ++i) {
    Mount();
    struct stat info {};
    ASSERT_EQ(::stat((point_ + "/config.json").c_str(), &info), 0);
    ASSERT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  }
}

}  // namespace
}  // namespace shardfs
