// The golden cases of the layouts other than mindie, of transforms, and of MindIE directories as SOURCE, byte for byte:
// through the mount (read and mapped), through materialize, and by verify; and those that are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "end_to_end/golden_view_case.h"
#include "end_to_end/mounted_program.h"
#include "fuse/fuse_available.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

std::vector<GoldenViewCase> Cases(bool refused) {
  std::vector<GoldenViewCase> cases;
  for (const char* view : {"huggingface", "deepseek-mp", "fp8", "ckpt", "lora", "mindspore", "sharded-state", "rank-cut", "mindie-merge", "mindie-reshard"}) {
    for (GoldenViewCase& golden : GoldenViewCases(view)) {
      if (golden.is_refused == refused) cases.push_back(std::move(golden));
    }
  }
  return cases;
}

// Files that options name are written into `scratch`.
std::vector<std::string> Arguments(const std::string& command, const GoldenViewCase& golden, const fs::path& place,
                                   const fs::path& scratch) {
  std::vector<std::string> arguments = {command, golden.source, place};
  const std::vector<std::string> options = OptionsIn(golden, scratch);
  arguments.insert(arguments.end(), options.begin(), options.end());
  return arguments;
}

class GoldenView : public ::testing::TestWithParam<GoldenViewCase> {};

TEST_P(GoldenView, IsMountedByteForByte) {
  SHARDFS_REQUIRE_FUSE();
  const GoldenViewCase& golden = GetParam();
  const MountableDirectory scratch;
  const MountedProgram mount(golden.source, OptionsIn(golden, scratch.path()));
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
  EXPECT_TRUE(IsReferenceDirectory(mount.path(), golden.expected, [](const auto& path) { return ReadFile(path); }));
  EXPECT_TRUE(IsReferenceDirectory(mount.path(), golden.expected,
                                   [](const auto& path) { return ReadMapped(path, MAP_PRIVATE); }));
}

TEST_P(GoldenView, IsMaterializedByteForByteAndVerified) {
  const GoldenViewCase& golden = GetParam();
  const MountableDirectory scratch;
  const fs::path destination = scratch.path() / "out";
  const ProgramResult written = RunShardfs(Arguments("materialize", golden, destination, scratch.path()));
  ASSERT_EQ(written.exit_code, 0) << written.err;
  EXPECT_TRUE(IsReferenceDirectory(destination, golden.expected, [](const auto& path) { return ReadFile(path); }));
  const ProgramResult by_manifest = RunShardfs({"verify", destination.string()});
  EXPECT_EQ(by_manifest.exit_code, 0) << by_manifest.out << by_manifest.err;
  const ProgramResult verified = RunShardfs(Arguments("verify", golden, golden.expected, scratch.path()));
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
}

INSTANTIATE_TEST_SUITE_P(Views, GoldenView, ::testing::ValuesIn(Cases(false)),
                         [](const auto& test) { return test.param.name; });

class RefusedView : public ::testing::TestWithParam<GoldenViewCase> {};

TEST_P(RefusedView, IsRefusedInASentence) {
  const GoldenViewCase& golden = GetParam();
  const MountableDirectory scratch;
  const fs::path destination = scratch.path() / "out";
  const ProgramResult result = RunShardfs(Arguments("materialize", golden, destination, scratch.path()));
  EXPECT_THAT(result.exit_code, ::testing::AnyOf(2, 3)) << result.err;
  EXPECT_THAT(result.err, ::testing::StartsWith("shardfs: " + (golden.error.empty() ? "" : golden.error + ":")));
  EXPECT_FALSE(fs::exists(destination));
}

INSTANTIATE_TEST_SUITE_P(Views, RefusedView, ::testing::ValuesIn(Cases(true)),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace shardfs::testing
