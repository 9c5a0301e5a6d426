// The program itself: help, version, and words that it does not know.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
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
  for (const char* command : {"mount", "umount", "materialize", "plan", "verify", "check-mindie", "doctor"})
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
  ExpectRefused({"mount", "/data", "/mnt", "--uid", "root"}, "--uid");
  ExpectRefused({"umount"}, "MOUNTPOINT is required");
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
  ExpectRefused({"plan", "/data", "--html", ""}, "--html: its value is empty");
  ExpectRefused({"plan", "/data", "--nnodes="}, "--nnodes: its value is empty");
  ExpectRefused({"plan", "/data", "--dp=", "--tp", "8"}, "--dp: its value is empty");
  ExpectRefused({"plan", "/data", "--moe_tp=", "8"}, "--moe_tp: its value is empty");
  ExpectRefused({"materialize", "/data", "/out", "--ranks", ""}, "--ranks: its value is empty");
  ExpectRefused({"materialize", "/data", "/out", "--node-rank", ""}, "--node-rank: its value is empty");
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
  ExpectRefused({"plan", source, "--dp", "2", "--dp", "4"}, "--dp");
}

}  // namespace
}  // namespace shardfs
