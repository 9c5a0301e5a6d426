// Who serves a mount, and what the mount allows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "faults/fault_mount.h"
#include "base/mount_table.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

#define SHARDFS_REQUIRE_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give up root"

class Privilege : public MountFaults {
 protected:
  // The line of mountinfo for the mount has every option that keeps a mounted model harmless.
  static void ExpectSafeOptions(const std::string& line) {
    std::istringstream fields(line);
    std::string field;
    std::vector<std::string> all;
    while (fields >> field) all.push_back("," + field + ",");
    ASSERT_GE(all.size(), 9u) << line;
    for (const char* option : {",ro,", ",nosuid,", ",nodev,", ",noexec,", ",noatime,"}) {
      EXPECT_THAT(all[5], HasSubstr(option)) << line;
    }
    EXPECT_THAT(all.back(), HasSubstr(",default_permissions,")) << line;
    EXPECT_EQ(line.find("allow_other"), std::string::npos) << line;
  }

  std::string MountInfoLine() const {
    std::ifstream table("/proc/self/mountinfo");
    for (std::string line; std::getline(table, line);) {
      if (line.find(" " + point_ + " ") != std::string::npos) return line;
    }
    return "";
  }

  // "Uid:\t0\t0\t0\t0" for ("Uid:", pid)
  static std::string StatusLine(const std::string& name, pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(name)) return line;
    }
    return "";
  }

  void ExpectRefused(const std::string& account, const std::string& reason) const {
    const ProgramResult result = RunShardfs(MountArguments({"--run-as", account}));
    EXPECT_EQ(result.exit_code, 2) << account;
    EXPECT_THAT(result.err, AllOf(StartsWith("shardfs: --run-as"), HasSubstr(reason)));
    EXPECT_FALSE(IsMounted(point_));
  }
};

TEST_F(Privilege, MountsHaveTheSafeOptions) {
  Mount();
  ExpectSafeOptions(MountInfoLine());
  if (::geteuid() != 0) return;  // who is not root needs fusermount3, which gains some
  EXPECT_EQ(StatusLine("NoNewPrivs:", Daemons().at(0)), "NoNewPrivs:\t1");
}

// And with it the modes still decide, of each request and not of the first alone.
TEST_F(Privilege, OthersAreLetInOnlyWhereAskedForAndAsTheModesAllow) {
  SHARDFS_REQUIRE_ROOT();
  const std::string file = point_ + "/config.json";
  const auto read_as = [&](const char* user) {
    return RunScript("exec setpriv --reuid \"$1\" --regid \"$1\" --clear-groups cat \"$2\"", {user, file});
  };
  ASSERT_EQ(RunScript("chmod 0755 \"$1\"", {directory_.path()}).exit_code, 0);
  Mount();
  EXPECT_EQ(read_as("0").exit_code, 0);
  EXPECT_THAT(read_as("1001").out, HasSubstr("Permission denied"));
  ASSERT_EQ(RunShardfs({"umount", point_}).exit_code, 0);

  Mount({"--allow-other", "--uid", "1001", "--gid", "1001"});
  EXPECT_THAT(MountInfoLine(), HasSubstr("allow_other"));
  EXPECT_THAT(MountInfoLine(), HasSubstr("default_permissions"));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(read_as("1001").out, ReadTextOf(file));
    EXPECT_THAT(read_as("1002").out, HasSubstr("Permission denied")) << "round " << round;
  }
}

TEST_F(Privilege, RunAsServesWithoutPrivileges) {
  SHARDFS_REQUIRE_ROOT();
  const auto expected = ExpectedFiles();
  fs::permissions(source_, fs::perms::owner_all);  // what root has opened stays open
  Mount({"--run-as", "1001:1002"});
  ExpectSafeOptions(MountInfoLine());
  const std::vector<pid_t> daemons = Daemons();
  ASSERT_EQ(daemons.size(), 2u);
  EXPECT_EQ(StatusLine("Uid:", daemons[0]), "Uid:\t0\t0\t0\t0") << "the one that will unmount";
  const pid_t server = daemons[1];
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(server) + "/task")) {
    const pid_t thread = std::stoi(task.path().filename());
    EXPECT_EQ(StatusLine("Uid:", thread), "Uid:\t1001\t1001\t1001\t1001");
    EXPECT_EQ(StatusLine("Gid:", thread), "Gid:\t1002\t1002\t1002\t1002");
    EXPECT_EQ(StatusLine("Groups:", thread), "Groups:\t1002 ");
    EXPECT_EQ(StatusLine("CapPrm:", thread), "CapPrm:\t0000000000000000");
    EXPECT_EQ(StatusLine("CapEff:", thread), "CapEff:\t0000000000000000");
    EXPECT_EQ(StatusLine("NoNewPrivs:", thread), "NoNewPrivs:\t1");
  }
  // Not dumpable: its /proc entries are root's, and the user's own processes cannot take its descriptors.
  const ProgramResult spy =
      RunScript("setpriv --reuid 1001 --regid 1002 --clear-groups ls /proc/$1/fd", {std::to_string(server)});
  EXPECT_NE(spy.exit_code, 0);
  EXPECT_THAT(spy.out, HasSubstr("Permission denied"));
  for (const auto& [path, bytes] : expected) {
    EXPECT_TRUE(ReadPastTheCache(point_ + "/" + path).bytes == bytes) << path;
  }
  EXPECT_EQ(RunShardfs({"umount", point_}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
}

TEST_F(Privilege, RunAsFailuresReachTheCommand) {
  SHARDFS_REQUIRE_ROOT();
  fs::resize_file(source_ + "/model-00001-of-00002.safetensors", 10);
  const ProgramResult result = RunShardfs(MountArguments({"--run-as", "1001:1001"}));
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("model-00001-of-00002.safetensors"));
  EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); }));
}

TEST_F(Privilege, RunAsRefusesAccountsThatWillNotDo) {
  SHARDFS_REQUIRE_ROOT();
  ExpectRefused("no-such-user", "there is no user 'no-such-user'");
  ExpectRefused("1001:no-such-group", "there is no group 'no-such-group'");
  ExpectRefused("root", "is root");
  ExpectRefused("0:1001", "is root");
  ExpectRefused("64711", "write 64711:GROUP");
  ExpectRefused("4294967295:1", "there is no user");
}

TEST_F(Privilege, WhoMayNotUnmountIsToldSo) {
  SHARDFS_REQUIRE_ROOT();
  Mount({"--allow-other"});
  const std::string program = directory_.path() / "shardfs";
  fs::copy(SHARDFS_EXECUTABLE, program);
  for (const char* option : {"", "--lazy"}) {
    const ProgramResult result =
        RunScript("chmod 0755 \"$1\" \"$2\"; setpriv --reuid 1001 --regid 1001 --clear-groups \"$2\" umount $4 \"$3\"",
                  {directory_.path(), program, point_, option});
    EXPECT_EQ(result.exit_code, 1) << option;
    EXPECT_THAT(result.out, AllOf(HasSubstr("uid 0 has mounted it and this is uid 1001"), HasSubstr("only root and")));
  }
  EXPECT_TRUE(IsMounted(point_));
}

// By fusermount3.
TEST_F(Privilege, AUserWithoutPrivilegesMountsReadsAndUnmounts) {
  SHARDFS_REQUIRE_ROOT();
  const std::string program = directory_.path() / "shardfs";
  fs::copy(SHARDFS_EXECUTABLE, program);
  std::ofstream(directory_.path() / "script") << R"(set -e
program=$1 source=$2 point=$3 log=$4
fails() { if "$@"; then echo "must fail: $*"; exit 1; fi; }
sizes="--dp 2 --tp 2 --moe-tp 2 --moe-ep 2 --mtp"
fails $program mount $source $point $sizes --run-as 1001
$program mount $source $point $sizes --log-file $log
cmp $source/tokenizer.json $point/tokenizer.json
cat $point/model-norm/model.safetensors > /dev/null
grep " $point " /proc/self/mountinfo
exec 3< $point/config.json
fails $program umount $point
exec 3<&-
$program umount $point
fails grep -q " $point " /proc/self/mountinfo
for _ in 1 2 3; do $program mount $source $point $sizes --log-file $log & done
wait
[ $(grep -c " $point " /proc/self/mountinfo) = 1 ] || exit 1
daemon=$(pgrep -u 1001 -f "shardfs mount $source")
kill $daemon
for _ in {1..1000}; do kill -0 $daemon 2>/dev/null || break; sleep 0.1; done
fails grep -q " $point " /proc/self/mountinfo
echo all done
)";
  ASSERT_EQ(RunScript("chmod 0755 \"$1\" \"$1\"/shardfs && chown -R 1001:1001 \"$2\" \"$3\"",
                      {directory_.path(), point_, directory_.MakeDirectory("logs")})
                .exit_code,
            0);
  const ProgramResult result =
      RunScript(WhereUsersMayMount("1001", "exec setpriv --reuid 1001 --regid 1001 --clear-groups bash \"$@\""),
                {directory_.path() / "script", program, source_, point_, directory_.path() / "logs/log"});
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_THAT(result.out, AllOf(HasSubstr("--run-as gives up root, and this is not root"), HasSubstr("is busy"),
                                HasSubstr("all done")));
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" - fuse.shardfs ") != std::string::npos) ExpectSafeOptions(line);
  }
  EXPECT_EQ(Occurrences(result.out, " - fuse.shardfs "), 1u);
}

// FUSE keeps root out of another user's mount as well.
TEST_F(Privilege, RootIsToldWhoMaySeeTheStatusOfAnotherUsersMount) {
  SHARDFS_REQUIRE_ROOT();
  const std::string program = directory_.path() / "shardfs";
  fs::copy(SHARDFS_EXECUTABLE, program);
  ASSERT_EQ(RunScript("chmod 0755 \"$1\" \"$2\" && chmod -R go+rX \"$3\" && chown 1001:1001 \"$4\"",
                      {directory_.path(), program, source_, point_})
                .exit_code,
            0);
  const std::string as_user = "setpriv --reuid 1001 --regid 1001 --clear-groups ";
  const ProgramResult result = RunScript(
      WhereUsersMayMount("1001", as_user +
                                     "\"$1\" mount \"$2\" \"$3\" --dp 2 --tp 2 --moe-tp 2 --moe-ep 2 --mtp || exit 1\n"
                                     "\"$1\" status \"$3\"\n" +
                                     as_user + "\"$1\" umount \"$3\""),
      {program, source_, point_});
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_THAT(result.out, HasSubstr("run `sudo -u \"#1001\" shardfs status " + point_ + "`"));
  EXPECT_EQ(result.out.find("as root"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace shardfs
