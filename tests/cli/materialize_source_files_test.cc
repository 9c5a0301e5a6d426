// materialize and the small files of a source: which of them are written, under which names, and which of them make
// another run of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
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

// A view that differs in no name and no size: the texts that decided it are part of the identity all the same.
class MaterializeChangedTextTest : public ::testing::Test {
 protected:
  ProgramResult Materialize() {
    std::vector<std::string> arguments = {"materialize", source_, out_};
    arguments.insert(arguments.end(), options_.begin(), options_.end());
    return RunShardfs(arguments);
  }

  void Take(const std::string& golden) {
    fs::copy(fs::path(GoldenCase()).parent_path().parent_path() / golden / "source", source_);
  }

  void ExpectAnotherRun(const char* what) {
    const ProgramResult again = Materialize();
    EXPECT_EQ(again.exit_code, 2) << what << again.out;
    EXPECT_THAT(again.err, HasSubstr("'source' is")) << what;
  }

  TemporaryDirectory root_;
  const std::string source_ = root_ / "source";
  const std::string out_ = root_ / "out";
  std::vector<std::string> options_;
};

TEST_F(MaterializeChangedTextTest, AnIndexInAnotherOrder) {
  Take("huggingface/random_a");
  options_ = {"--layout", "huggingface", "--max-shard-size", "60KB"};
  ASSERT_EQ(Materialize().exit_code, 0);
  const std::string path = source_ + "/model.safetensors.index.json";
  const auto index = nlohmann::ordered_json::parse(ReadFile(path));
  auto turned = index;
  turned["weight_map"] = nlohmann::ordered_json::object();
  for (auto entry = index["weight_map"].rbegin(); entry != index["weight_map"].rend(); ++entry) {
    turned["weight_map"][entry.key()] = entry.value();
  }
  WriteFile(path, turned.dump(2));
  ExpectAnotherRun("the order of the index");
}

TEST_F(MaterializeChangedTextTest, AConfigThatATransformReads) {
  Take("fp8/random_a");
  options_ = {"--layout", "huggingface", "--files", "source", "--dequantize", "bf16"};
  ASSERT_EQ(Materialize().exit_code, 0);
  // config.json is shown without this key, and the blocks are those that hold without it.
  const std::string path = source_ + "/config.json";
  auto config = nlohmann::ordered_json::parse(ReadFile(path));
  config["quantization_config"] = {{"quant_method", "fp8"}, {"weight_block_size", {128, 128}}};
  WriteFile(path, config.dump());
  ExpectAnotherRun("a key that is not shown");
}

TEST_F(MaterializeChangedTextTest, AnOptionIsNamedBeforeTheSource) {
  Take("fp8/random_a");
  options_ = {"--layout", "huggingface", "--dequantize", "bf16"};
  ASSERT_EQ(Materialize().exit_code, 0);
  options_.resize(2);
  EXPECT_THAT(Materialize().err, HasSubstr("'source options' is 'dequantize=bf16' there and not given here"));
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
    EXPECT_THAT(result.out, HasSubstr(", all of which were there: none was written"));
  }
}

}  // namespace
}  // namespace shardfs
