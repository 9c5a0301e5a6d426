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

}  // namespace
}  // namespace shardfs
