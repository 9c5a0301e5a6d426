// materialize and the small files of a source: which of them are written, under which names, and which of them make
// another run of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class MaterializeSourceFilesTest : public ::testing::Test {
 protected:
  MaterializeSourceFilesTest() { fs::copy(GoldenCase() + "/source", source_); }

  ProgramResult Run(const std::string& command, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = GoldenArguments(command, std::move(more));
    arguments[1] = source_;
    return RunShardfs(arguments);
  }
  ProgramResult Materialize(std::vector<std::string> more = {}) {
    more.insert(more.begin(), out_);
    return Run("materialize", std::move(more));
  }

  void ExpectComplete() {
    const ProgramResult verified = RunShardfs({"verify", out_});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  }

  TemporaryDirectory root_;
  const std::string source_ = root_ / "source";
  const std::string out_ = root_ / "out";
};

TEST_F(MaterializeSourceFilesTest, ANameLikeATemporaryOneIsANameAsAnyOther) {
  const std::string name = "/.tokenizer.json.shardfs-tmp";
  WriteFile(source_ + "/tokenizer.json", "{}");
  WriteFile(source_ + name, "x");
  for (int run = 0; run < 2; ++run) {
    const ProgramResult result = Materialize();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(ReadFile(out_ + name), "x");
    EXPECT_EQ(ReadFile(out_ + "/tokenizer.json"), "{}");
    ExpectComplete();
  }
}

TEST_F(MaterializeSourceFilesTest, NamesOfItsOwnAreLeftOut) {
  WriteFile(source_ + "/.shardfs-tokenizer.json", "x");
  const ProgramResult plan = Run("plan");
  ASSERT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.err, AllOf(HasSubstr(".shardfs-tokenizer.json"), HasSubstr("left out"), HasSubstr("shardfs's own")));
  EXPECT_EQ(plan.out.find(".shardfs-tokenizer.json"), std::string::npos);
  const ProgramResult result = Materialize();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("left out"));
  EXPECT_FALSE(fs::exists(out_ + "/.shardfs-tokenizer.json"));
  ExpectComplete();
}

}  // namespace
}  // namespace shardfs
