// A source whose files lie in folders and share one leaf name, as each rank's of a MindIE directory do: what is said of
// a file that is harmed names that file, and the others are served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "faults/fault_mount.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kHarmed = "model-moe-tp-001-ep-001/model.safetensors";

class NestedSource : public MountFaults {
 protected:
  void SetUp() override {
    MountFaults::SetUp();
    if (IsSkipped()) return;
    fs::remove_all(source_);
    fs::copy(GoldenCase() + "/expected", source_, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(source_)) {
      fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
    }
  }

  fs::path Harmed() const { return fs::path(source_) / kHarmed; }
};

TEST_F(NestedSource, F1_ATruncatedShardOfOneRankFailsWhatItFeedsAndNothingElse) {
  const auto expected = ExpectedFiles();
  const auto harmed = FilesFedBy(kHarmed);
  ASSERT_FALSE(harmed.empty());
  ASSERT_LT(harmed.size(), expected.size());
  Mount();
  fs::resize_file(Harmed(), fs::file_size(Harmed()) / 2);
  for (const auto& [path, bytes] : expected) {
    const ReadOutcome outcome = ReadPastTheCache(point_ + "/" + path);
    EXPECT_EQ(outcome.error, harmed.contains(path) ? EIO : 0) << path;
    EXPECT_TRUE(outcome.error != 0 || outcome.bytes == bytes) << path;
  }
  EXPECT_EQ(Occurrences(Log(), "cannot read "), harmed.size()) << Log();
  EXPECT_THAT(Log(), HasSubstr("'" + kHarmed + "' has changed since it was opened"));
  EXPECT_THAT(Log(), Not(HasSubstr("'model.safetensors'")));
  EXPECT_THAT(ReadTextOf(point_ + "/.shardfs/status.json"), HasSubstr(kHarmed));
  Unmount();
}

TEST_F(NestedSource, F3_AReplacedShardOfOneRankKeepsItsBytesAndIsNamed) {
  const auto expected = ExpectedFiles();
  Mount();
  std::ofstream(source_ + "/new") << "another model";
  fs::rename(source_ + "/new", Harmed());
  EXPECT_TRUE(WaitUntil([&] {
    for (const auto& [path, bytes] : expected) {
      EXPECT_TRUE(ReadPastTheCache(point_ + "/" + path).bytes == bytes) << path;
    }
    return Occurrences(Log(), "warning") > 0;
  }));
  EXPECT_EQ(Occurrences(Log(), "'" + kHarmed + "' has been replaced"), 1u) << Log();
  Unmount();
}

TEST_F(NestedSource, DamageThatIsThereAlreadyIsRefusedWithTheFilesName) {
  fs::resize_file(Harmed(), fs::file_size(Harmed()) - 1);
  const ProgramResult truncated = RunShardfs(MountArguments());
  EXPECT_EQ(truncated.exit_code, 3) << truncated.err;
  EXPECT_THAT(truncated.err, HasSubstr("'" + kHarmed + "'"));
  EXPECT_FALSE(IsMounted(point_));
  std::ofstream(Harmed()) << "version https://git-lfs.github.com/spec/v1\n";
  const ProgramResult pointer = RunShardfs(MountArguments());
  EXPECT_EQ(pointer.exit_code, 3) << pointer.err;
  EXPECT_THAT(pointer.err, HasSubstr("'" + kHarmed + "'"));
}

}  // namespace
}  // namespace shardfs
