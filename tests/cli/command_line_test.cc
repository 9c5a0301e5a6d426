// The program itself: help, version, and words that it does not know.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

void ExpectRefused(const std::vector<std::string>& arguments, const std::string& named) {
  const ProgramResult result = RunShardfs(arguments);
  EXPECT_EQ(result.exit_code, 2) << named;
  EXPECT_THAT(result.err, StartsWith("shardfs: "));
  EXPECT_THAT(result.err, HasSubstr(named));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_THAT(result.out, IsEmpty());
}

TEST(CommandLineTest, HelpAndVersionSucceed) {
  const ProgramResult help = RunShardfs({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* command : {"mount", "umount", "materialize", "plan", "verify", "explain", "warm", "layouts", "check", "check-mindie", "check-sglang", "check-vllm", "doctor"})
    EXPECT_THAT(help.out, HasSubstr(command));
  EXPECT_THAT(help.err, IsEmpty());
  EXPECT_EQ(RunShardfs({"mount", "--help"}).exit_code, 0);
  const ProgramResult version = RunShardfs({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.out, "shardfs " SHARDFS_VERSION "\n");
}

TEST(CommandLineTest, UnknownWordsAreRefusedInOneSentence) {
  ExpectRefused({}, "subcommand is required");
  ExpectRefused({"frobnicate"}, "'frobnicate'");
  ExpectRefused({"mount"}, "SOURCE is required");
  ExpectRefused({"mount", "/data"}, "MOUNTPOINT is required");
  ExpectRefused({"mount", "/data", "/mnt", "--frobnicate"}, "--frobnicate");
  ExpectRefused({"mount", "/data", "/mnt", "another"}, "another");
  ExpectRefused({"mount", "/data", "/mnt", "--threads", "0"}, "--threads");
  ExpectRefused({"umount"}, "MOUNTPOINT is required");
}

TEST(CommandLineTest, NamesWhatWasProbablyMeant) {
  ExpectRefused({"plan", "/data", "--moetp", "4"}, "shardfs plan has no option --moetp; did you mean --moe-tp?");
  ExpectRefused({"plan", "--moetp=4", "/data"}, "did you mean --moe-tp?");
  ExpectRefused({"plan", "/data", "--moeep", "4"}, "did you mean --moe-ep?");
  ExpectRefused({"mount", "/data", "/mnt", "--logfile", "/x"}, "did you mean --log-file?");
  ExpectRefused({"plan", "/data", "-tp", "4"}, "shardfs plan has no option -tp; did you mean --tp?");
  ExpectRefused({"materialize", "/data", "/out", "--resart"}, "did you mean --restart?");
  ExpectRefused({"plan", "/data", "--fidelty", "loader"}, "did you mean --fidelity?");
  ExpectRefused({"status", "/data", "--fidelity", "loader"},
                "shardfs status has no option --fidelity; mount, materialize, plan, verify, explain and doctor have "
                "it");
  ExpectRefused({"plan", "/data", "--run-as", "joe"}, "shardfs plan has no option --run-as; mount has it");
  ExpectRefused({"plan", "/data", "--frobnicate"}, "`shardfs plan --help` lists those that it has");
  ExpectRefused({"materialise", "/data"}, "there is no subcommand 'materialise'; did you mean materialize?");
  ExpectRefused({"/models/R1", "/mnt/r1"}, "to show a checkpoint, write `shardfs mount SOURCE MOUNTPOINT`");
  ExpectRefused({"frobnicate"}, "there is mount, umount, materialize");
  ExpectRefused(GoldenArguments("plan", {"-O", "fidelty=loader"}), "did you mean fidelity?");
  ExpectRefused({"mount", "/data", "/mnt", "another"},
                "shardfs mount takes no further argument, and is given 'another'");
}

TEST(CommandLineTest, UsersAndGroupsAreNamesOrNumbers) {
  const TemporaryDirectory root;
  for (const auto& [uid, gid] : {std::pair{"no-such-user", "0"}, std::pair{"4294967295", "0"}, std::pair{"-1", "0"}}) {
    ExpectRefused(GoldenArguments("materialize", {root / "out", "--uid", uid, "--gid", gid}),
                  "--uid: there is no user");
    ExpectRefused({"mount", "/data", "/mnt", "--uid", uid}, "--uid: there is no user");
    ExpectRefused({"check-mindie", "/config.json", "/data", "--uid", uid}, "--uid: there is no user");
    ExpectRefused({"doctor", "--uid", uid}, "--uid: there is no user");
  }
  ExpectRefused({"mount", "/data", "/mnt", "--gid", "no-such-group"}, "--gid: there is no group 'no-such-group'");
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give a file to another user";
  const ProgramResult result =
      RunShardfs(GoldenArguments("materialize", {root / "out", "--uid", "nobody", "--gid", "daemon"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  struct stat attributes {};
  ASSERT_EQ(::stat((root / "out/config.json").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_uid, 65534u);
  EXPECT_EQ(attributes.st_gid, 1u);
}

TEST(CommandLineTest, AShardedDirectoryIsToldFromACheckpoint) {
  const std::string sharded = GoldenCase() + "/expected";
  const std::string source = GoldenCase() + "/source";
  const ProgramResult planned =
      RunShardfs({"plan", sharded, "--dp", "2", "--tp", "2", "--moe-tp", "2", "--moe-ep", "2"});
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_THAT(planned.out, ::testing::StartsWith("re-sharded from 4 ranks (dp 2, tp 2, moe_tp 2, moe_ep 2), "));
  const ProgramResult misread = RunShardfs({"plan", sharded, "--from", "huggingface", "--tp", "2"});
  EXPECT_EQ(misread.exit_code, 3);
  EXPECT_THAT(misread.err, HasSubstr("looks like mindie (model_sharded_metadata.json); leave --from out"));
  EXPECT_EQ(std::count(misread.err.begin(), misread.err.end(), '\n'), 1) << misread.err;
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"verify", source}, GoldenArguments("verify", {source})}) {
    ExpectRefused(arguments, "is a full checkpoint (it has 'model-00001-of-00002.safetensors'), and DIR is a sharded");
  }
}

// As in a container that was started without it.
TEST(CommandLineTest, MountingWithoutTheCapabilitySaysHowToGetIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give up a capability";
  const TemporaryDirectory root;
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr int kSysAdmin = 21;
    if (::prctl(PR_CAPBSET_DROP, kSysAdmin, 0, 0, 0) != 0) ::_exit(77);
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    const ProgramResult result = RunShardfs(GoldenArguments("mount", {root / "."}));
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("mounting needs CAP_SYS_ADMIN"));
    EXPECT_THAT(result.err, HasSubstr("--cap-add SYS_ADMIN"));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "the capability cannot be given up here";
  EXPECT_EQ(status, 0);
}

// A result that nobody gets is a failure, also where the work is done.
TEST(CommandLineTest, AFullStandardOutputIsAnError) {
  const TemporaryDirectory root;
  const std::vector<std::vector<std::string>> commands = {
      {"--help"},
      {"--version"},
      {"materialize", "--help"},
      GoldenArguments("plan"),
      GoldenArguments("plan", {"--json"}),
      GoldenArguments("materialize", {root / "text"}),
      GoldenArguments("materialize", {root / "json", "--json"}),
      GoldenArguments("materialize", {root / "progress", "--progress", "json"}),
      {"verify", root / "text"},
      {"verify", root / "text", "--progress", "json"},
      {"doctor"},
  };
  for (const std::vector<std::string>& arguments : commands) {
    const ProgramResult result = ShardfsProcess(arguments, "/dev/full").Wait();
    EXPECT_EQ(result.exit_code, 1) << arguments.front();
    EXPECT_THAT(result.err, HasSubstr("to standard output")) << arguments.front();
  }
}

TEST(CommandLineTest, AnEmptyValueIsNoMissingOption) {
  for (const char* option : {"--run-as", "--dp", "--config", "--mindie-config", "--max-shard-size", "--uid",
                             "--threads", "--rank-table", "--log-file", "--layout", "-O"}) {
    ExpectRefused({"mount", "/data", "/mnt", option, ""}, std::string(option) + ": its value is empty");
  }
  ExpectRefused(GoldenArguments("plan", {"-O", "fidelity="}), "-O fidelity is empty");
  ExpectRefused({"plan", "/data", "--html", ""}, "--html: its value is empty");
  ExpectRefused({"plan", "/data", "--nnodes="}, "--nnodes: its value is empty");
  ExpectRefused({"plan", "/data", "--dp=", "--tp", "8"}, "--dp: its value is empty");
  ExpectRefused({"plan", "/data", "--moe_tp=", "8"}, "--moe_tp: its value is empty");
  ExpectRefused({"materialize", "/data", "/out", "--ranks", ""}, "--ranks: its value is empty");
  ExpectRefused({"materialize", "/data", "/out", "--node-rank", ""}, "--node-rank: its value is empty");
  ExpectRefused({"plan", "/data", "--dp"}, "--dp needs a value right behind it");
  ExpectRefused({"plan", "/data", "--dp", "--tp", "2"}, "--dp needs a value right behind it");
  ExpectRefused({"umount", ""}, "MOUNTPOINT: is empty");
  ExpectRefused({"plan", "", "--tp", "8"}, "SOURCE: is empty");
}

TEST(CommandLineTest, NumbersAreDecimal) {
  ExpectRefused(GoldenArguments("plan", {"--world-size", "010"}), "10");
  EXPECT_EQ(RunShardfs(GoldenArguments("plan", {"--world-size", "004"})).exit_code, 0);
  for (const char* number : {"0x4", "4.0", "1e1", "four", "+4", "-", " 4"}) {
    ExpectRefused(GoldenArguments("plan", {"--world-size", number}),
                  "'" + std::string(number) + "' is no whole number");
  }
  ExpectRefused(GoldenArguments("plan", {"--cp", "99999999999999999999"}), "99999999999999999999 is too large");
  ExpectRefused(GoldenArguments("plan", {"--nnodes", "-1"}), "--nnodes");
}

TEST(CommandLineTest, FlagsTakeNoValueAndDoNotContradictEachOther) {
  const std::string source = GoldenCase() + "/source";
  ExpectRefused({"plan", source, "--mtp=garbage"}, "--mtp takes no value, and is given 'garbage'");
  ExpectRefused({"plan", source, "--tp", "2", "--json="}, "--json takes no value");
  ExpectRefused({"plan", source, "--tp", "2", "--mtp", "--no-mtp"}, "--mtp: contradicts --no-mtp");
  ExpectRefused({"plan", source, "--tp", "2", "--no-mtp", "--mtp"}, "--mtp: contradicts --no-mtp");
  ExpectRefused({"plan", source, "--dp", "2", "--dp", "4"}, "--dp is given more than once");
}

}  // namespace
}  // namespace shardfs
