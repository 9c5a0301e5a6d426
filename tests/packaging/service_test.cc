// shardfs@.service: its commands, run as systemd would run them, with this test as the service manager.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "cli/notify_socket.h"
#include "fuse/fuse_available.h"
#include "base/mount_table.h"
#include "fuse/temporary_mount.h"
#include "packaging/unit_file.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

const std::string kUnits = SHARDFS_TESTS_DIR "/../mount-scripts/systemd";
const std::string kGolden = SHARDFS_TESTS_DIR "/golden/mindie/bf16_dp2tp2_mtp2ep2";

bool IsMounted(const std::string& path) {
  const auto entry = FindMount(path);
  return entry.ok() && entry->has_value();
}

// The exit code, or 128 and the signal; -1 when it hangs.
int WaitFor(pid_t pid) {
  int status = 0;
  if (!WaitUntil([&] { return ::waitpid(pid, &status, WNOHANG) != 0; })) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    auto unit = UnitFile::Read(kUnits + "/shardfs@.service", "r1", "/r1");
    ASSERT_TRUE(unit.ok()) << unit.status().message();
    unit_ = std::move(*unit);
    // What an administrator writes, after the example.
    auto environment = ReadEnvironmentFile(kUnits + "/example.conf");
    ASSERT_TRUE(environment.ok()) << environment.status().message();
    environment_ = std::move(*environment);
    for (auto& [name, value] : environment_) value.clear();
    environment_["SHARDFS_SOURCE"] = kGolden + "/source";
    environment_["SHARDFS_MOUNTPOINT"] = point_;
    environment_["SHARDFS_OPTIONS"] = "--dp 2 --tp 2 --moe-tp 2 --moe-ep 2 --mtp --allow-other";
  }
  void TearDown() override {
    if (server_ > 0) {
      ::kill(server_, SIGKILL);
      ::waitpid(server_, nullptr, 0);
    }
  }

  pid_t Spawn(const UnitCommand& command) const {
    std::vector<std::string> words = ExpandWords(command.words, environment_);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    const fs::path directory = fs::path(SHARDFS_EXECUTABLE).parent_path();
    ::setenv("PATH", (directory.string() + ":" + std::getenv("PATH")).c_str(), 1);
    ::setenv("NOTIFY_SOCKET", socket_.c_str(), 1);
    for (const auto& [name, value] : environment_) ::setenv(name.c_str(), value.c_str(), 1);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  void RunAll(const std::string& name) const {
    for (const UnitCommand& command : unit_.Commands(name)) {
      const int code = WaitFor(Spawn(command));
      EXPECT_TRUE(code == 0 || command.may_fail) << name << " ended with " << code;
    }
  }
  void Start() {
    RunAll("ExecStartPre");
    const std::vector<UnitCommand> commands = unit_.Commands("ExecStart");
    ASSERT_EQ(commands.size(), 1u);
    server_ = Spawn(commands[0]);
    const std::string ready = manager_.ReceiveWith("READY=1");
    ASSERT_THAT(ready, HasSubstr("\nMAINPID=" + std::to_string(server_) + "\n"));
    ASSERT_TRUE(fs::exists(point_ + "/config.json"));
  }
  // As systemd stops a service: its commands, then SIGTERM for what is still there.
  int Stop() {
    RunAll("ExecStop");
    ::kill(server_, SIGTERM);
    const int code = WaitFor(std::exchange(server_, -1));
    RunAll("ExecStopPost");
    return code;
  }

  MountableDirectory directory_;
  std::string point_ = (directory_.path() / "a mount point").string();  // ExecStartPre makes it
  std::string socket_ = (directory_.path() / "notify").string();
  NotifySocket manager_{socket_};
  UnitFile unit_;
  Environment environment_;
  pid_t server_ = -1;
};

TEST_F(ServiceTest, StartsAndStops) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(Stop(), 0);
  EXPECT_THAT(manager_.ReceiveWith("STOPPING=1"), HasSubstr("STOPPING=1"));
  EXPECT_FALSE(IsMounted(point_));
}

TEST_F(ServiceTest, StopsThoughSomebodyReads) {
  ASSERT_NO_FATAL_FAILURE(Start());
  std::ifstream reader(point_ + "/config.json");
  ASSERT_TRUE(reader.get() != EOF);
  EXPECT_EQ(Stop(), 0);
  EXPECT_FALSE(IsMounted(point_));
}

TEST_F(ServiceTest, StartsAgainAfterItWasKilled) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ::kill(server_, SIGKILL);
  EXPECT_EQ(WaitFor(std::exchange(server_, -1)), 128 + SIGKILL);
  ASSERT_TRUE(IsMounted(point_));  // dead
  // Killed itself, systemd does not come to ExecStopPost: a start has to do without.
  ASSERT_NO_FATAL_FAILURE(Start());
  ::kill(server_, SIGKILL);
  WaitFor(std::exchange(server_, -1));
  RunAll("ExecStopPost");
  EXPECT_FALSE(IsMounted(point_));
}

TEST_F(ServiceTest, IsNotStartedAgainWhenItRefuses) {
  environment_["SHARDFS_OPTIONS"] = "--dp 3 --tp 2";
  RunAll("ExecStartPre");
  const int code = WaitFor(Spawn(unit_.Commands("ExecStart")[0]));
  EXPECT_EQ(unit_.Value("Service", "Restart"), "on-failure");
  EXPECT_EQ(unit_.Value("Service", "RestartPreventExitStatus"), "2 3");
  EXPECT_EQ(code, 2);
  EXPECT_FALSE(IsMounted(point_));
}

TEST_F(ServiceTest, WaitsForReadinessAndMakesNoMountNamespace) {
  EXPECT_EQ(unit_.Value("Service", "Type"), "notify");
  EXPECT_EQ(unit_.Value("Service", "EnvironmentFile"), "/etc/shardfs/r1.conf");
  EXPECT_EQ(unit_.Value("Unit", "AssertPathExists"), "/etc/shardfs/r1.conf");
  // With any of these the view would be seen by the service alone (systemd.exec(5)).
  for (const char* setting :
       {"PrivateTmp",           "PrivateDevices", "PrivateMounts",         "PrivateUsers",         "ProtectSystem",
        "ProtectHome",          "ProtectProc",    "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs",
        "ProtectControlGroups", "ReadOnlyPaths",  "ReadWritePaths",        "InaccessiblePaths",    "BindPaths",
        "TemporaryFileSystem",  "RootDirectory",  "DynamicUser",           "MountFlags",           "StateDirectory",
        "LogsDirectory"}) {
    EXPECT_THAT(unit_.Values("Service", setting), IsEmpty()) << setting;
  }
}

// A file system over the network may come minutes late: exit code 1 is tried again, however often, and 2 and 3 are not.
TEST_F(ServiceTest, ASourceThatComesLateIsTriedForAgain) {
  EXPECT_THAT(unit_.Values("Service", "Restart"), testing::ElementsAre("on-failure"));
  EXPECT_THAT(unit_.Values("Service", "RestartPreventExitStatus"), testing::ElementsAre("2 3"));
  EXPECT_THAT(unit_.Values("Unit", "StartLimitIntervalSec"), testing::ElementsAre("0"));
  environment_["SHARDFS_SOURCE"] = directory_.path() / "late";
  RunAll("ExecStartPre");
  testing::internal::CaptureStderr();
  EXPECT_EQ(WaitFor(Spawn(unit_.Commands("ExecStart")[0])), 1);
  fs::create_directory(directory_.path() / "late");
  EXPECT_EQ(WaitFor(Spawn(unit_.Commands("ExecStart")[0])), 1) << "still empty";
  std::ofstream(directory_.path() / "late/README.md") << "no weights";
  EXPECT_EQ(WaitFor(Spawn(unit_.Commands("ExecStart")[0])), 3) << "a directory of something else";
  testing::internal::GetCapturedStderr();
  fs::remove(directory_.path() / "late/README.md");
  fs::copy(kGolden + "/source", directory_.path() / "late");
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(Stop(), 0);
}

TEST_F(ServiceTest, TheExampleIsACommandLineThatShardfsTakes) {
  const auto example = ReadEnvironmentFile(kUnits + "/example.conf");
  ASSERT_TRUE(example.ok());
  environment_ = *example;
  environment_["SHARDFS_SOURCE"] = directory_.path() / "none";
  environment_["SHARDFS_MOUNTPOINT"] = directory_.MakeDirectory("mount");
  // All that is wrong with it is that the checkpoint is not here.
  testing::internal::CaptureStderr();
  EXPECT_EQ(WaitFor(Spawn(unit_.Commands("ExecStart")[0])), 1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("does not exist"));
}

}  // namespace
}  // namespace shardfs
