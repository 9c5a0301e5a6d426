// shardfs merge-strategies, as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "cli/run_shardfs.h"
#include "fuse/temporary_mount.h"
#include "tools/read_text.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class MergeStrategiesCommandTest : public ::testing::Test {
 protected:
  static fs::path Golden() { return fs::path(SHARDFS_TESTS_DIR) / "golden/mindspore/merge_strategies_pp2"; }

  ProgramResult Merge(const fs::path& directory, const fs::path& file) const {
    return RunShardfs({"merge-strategies", directory.string(), file.string()});
  }

  MountableDirectory scratch_;
};

TEST_F(MergeStrategiesCommandTest, WritesTheBytesOfMindSporesOwn) {
  const fs::path file = scratch_.path() / "merged.ckpt";
  const ProgramResult result = Merge(Golden() / "source", file);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("of 2 pipeline stages"));
  EXPECT_EQ(ReadTextOf(file), ReadTextOf(Golden() / "expected" / "merged_ckpt_strategy.ckpt"));
}

TEST_F(MergeStrategiesCommandTest, PassesOverItsOwnResultOfAnEarlierRun) {
  const fs::path copy = scratch_.path() / "strategy";
  fs::copy(Golden() / "source", copy, fs::copy_options::recursive);
  ASSERT_EQ(Merge(copy, copy / "all.ckpt").exit_code, 0);
  const std::string first = ReadTextOf(copy / "all.ckpt");
  ASSERT_EQ(Merge(copy, copy / "all.ckpt").exit_code, 0);
  EXPECT_EQ(ReadTextOf(copy / "all.ckpt"), first);
}

TEST_F(MergeStrategiesCommandTest, RefusesWithoutWriting) {
  const fs::path file = scratch_.path() / "merged.json";
  const ProgramResult ending = Merge(Golden() / "source", file);
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_THAT(ending.err, AllOf(HasSubstr("shardfs: "), HasSubstr("are protobuf"), HasSubstr("in .json")));
  const ProgramResult none = Merge(scratch_.path(), file);
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("there is no strategy"));
  EXPECT_FALSE(fs::exists(file));
}

}  // namespace
}  // namespace shardfs
