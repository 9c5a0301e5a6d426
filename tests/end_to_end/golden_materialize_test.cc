// The golden cases through `materialize`.
#include <gtest/gtest.h>

#include <set>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_cases.h"

namespace shardfs::testing {
namespace {

class GoldenMaterialize : public ::testing::TestWithParam<GoldenCase> {};

std::vector<std::string> Arguments(const GoldenCase& golden, const std::filesystem::path& destination,
                                   std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"materialize", golden.source, destination};
  for (const std::string& argument : LayoutArguments(golden)) arguments.push_back(argument);
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST_P(GoldenMaterialize, WritesWhatTheReferenceWrote) {
  const GoldenCase& golden = GetParam();
  const MountableDirectory scratch;
  const auto destination = scratch.path() / "out";
  const ProgramResult result = RunShardfs(Arguments(golden, destination));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(IsReferenceDirectory(destination, golden.expected, [](const auto& path) { return ReadFile(path); }));
}

INSTANTIATE_TEST_SUITE_P(Sharder, GoldenMaterialize, ::testing::ValuesIn(ShownSharderCases()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Loader, GoldenMaterialize, ::testing::ValuesIn(ShownLoaderCases()),
                         [](const auto& test) { return test.param.name; });

TEST(GoldenMaterializeRanks, NodesTogetherWriteTheWholeDirectoryAndEachOnlyItsPart) {
  const GoldenCase golden = FindGoldenCase("bf16_dp2tp8_mtp4ep4");
  const MountableDirectory scratch;
  std::set<std::string> together;
  for (const std::string node : {"0", "1"}) {
    const auto destination = scratch.path() / node;
    const ProgramResult result = RunShardfs(Arguments(golden, destination, {"--node-rank", node, "--nnodes", "2"}));
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const std::string other = node == "0" ? "model-moe-tp-000-ep-003" : "model-moe-tp-000-ep-000";
    EXPECT_FALSE(std::filesystem::exists(destination / other));
    for (const std::string& file : FilesBelow(destination)) {
      together.insert(file);
      if (file == "model_sharded_metadata.json") continue;
      EXPECT_EQ(ReadFile(destination / file), ReadFile(golden.expected / file)) << file;
    }
  }
  const auto all = FilesBelow(golden.expected);
  EXPECT_EQ(together, (std::set<std::string>(all.begin(), all.end())));
}

}  // namespace
}  // namespace shardfs::testing
