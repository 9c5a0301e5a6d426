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

TEST_F(MaterializeSourceFilesTest, ANameThatTheManifestCannotHoldIsRefused) {
  WriteFile(source_ + "/tokenizer_\xff.json", "{}");
  EXPECT_EQ(Run("plan").exit_code, 0);
  const ProgramResult result = Materialize();
  EXPECT_EQ(result.exit_code, 2) << result.out;
  EXPECT_THAT(result.err, AllOf(HasSubstr("tokenizer_"), HasSubstr("not UTF-8"), HasSubstr("rename")));
  EXPECT_FALSE(fs::exists(out_));
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

TEST_F(MaterializeSourceFilesTest, AnotherContentOfAFileThatIsShownIsAnotherRun) {
  const std::string shown = source_ + "/configuration_deepseek.py";
  WriteFile(shown, "a = 1\n");
  ASSERT_EQ(Materialize().exit_code, 0);
  ASSERT_EQ(Materialize().exit_code, 0);
  WriteFile(shown, "a = 2\n");
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--verify"}}) {
    const ProgramResult result = Materialize(more);
    EXPECT_EQ(result.exit_code, 2) << result.out;
    EXPECT_THAT(result.err, AllOf(HasSubstr("another complete run"), HasSubstr("source")));
  }
}

TEST_F(MaterializeSourceFilesTest, AnotherConfigurationIsAnotherRun) {
  ASSERT_EQ(Materialize().exit_code, 0);
  WriteFile(source_ + "/config.json", ReadFile(source_ + "/config.json") + "\n");
  EXPECT_EQ(Materialize().exit_code, 2);
}

TEST_F(MaterializeSourceFilesTest, FilesThatAreNotShownAreNotRead) {
  WriteFile(source_ + "/huge.json", "");
  fs::resize_file(source_ + "/huge.json", 300u << 20);
  fs::create_symlink("/proc/self/mem", source_ + "/unreadable.json");
  const ProgramResult result = Materialize();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  fs::remove(source_ + "/huge.json");
  EXPECT_EQ(Materialize().exit_code, 0) << "the same run";
}

// What is meant counts, not what is typed.
TEST_F(MaterializeSourceFilesTest, DefaultsThatAreSpelledOutAreTheSameRun) {
  ASSERT_EQ(Materialize().exit_code, 0);
  for (const std::vector<std::string>& more : {std::vector<std::string>{"--world-size", "4"},
                                               {"--ranks", "0-3"},
                                               {"--node-rank", "0", "--nnodes", "1"},
                                               {"--sp", "1"}}) {
    const ProgramResult result = Materialize(more);
    EXPECT_EQ(result.exit_code, 0) << more.front() << ": " << result.err;
    EXPECT_THAT(result.out, HasSubstr("were there"));
  }
}

}  // namespace
}  // namespace shardfs
