// The command line of make_checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/deepseek_shape.h"
#include "tools/model_presets.h"

namespace shardfs::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Outcome {
  int exit_code = -1;
  std::string output;  // both streams
};

class MakeCheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "shardfs-make-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  Outcome Run(const std::string& arguments) const {
    const std::string command = std::string(MAKE_CHECKPOINT) + " " + arguments + " 2>&1";
    Outcome outcome;
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return outcome;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) outcome.output.push_back(static_cast<char>(c));
    const int status = ::pclose(pipe);
    if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
    return outcome;
  }

  Outcome Make(const std::string& options) const { return Run((root_ / "c").string() + " " + options); }

  nlohmann::json Config() const { return nlohmann::json::parse(std::ifstream(root_ / "c/config.json")); }

  fs::path root_;
};

TEST_F(MakeCheckpointTest, HelpListsEveryPreset) {
  const Outcome help = Run("--help");
  EXPECT_EQ(help.exit_code, 0);
  for (const Preset& preset : Presets()) EXPECT_THAT(help.output, HasSubstr("\n  " + std::string(preset.name) + " "));
  for (const ModelPreset& preset : ModelPresets()) {
    EXPECT_THAT(help.output, HasSubstr("\n  " + std::string(preset.name) + " "));
  }
  EXPECT_THAT(help.output, HasSubstr("5466 tensors, 32.75 GB"));
}

TEST_F(MakeCheckpointTest, WritesAModelWithReplacedSizes) {
  const Outcome made = Make("--preset mixtral-small --experts 4 --layers 2 --kv-heads 8 --dtype f16 --sparse");
  EXPECT_EQ(made.exit_code, 0) << made.output;
  EXPECT_THAT(made.output, HasSubstr("41 tensors in 2 files"));
  EXPECT_EQ(Config()["num_local_experts"], 4);
  EXPECT_EQ(Config()["num_hidden_layers"], 2);
  EXPECT_EQ(Config()["num_key_value_heads"], 8);
  EXPECT_EQ(Config()["torch_dtype"], "float16");
}

TEST_F(MakeCheckpointTest, WritesFp8) {
  const Outcome made = Make("--preset deepseek-v3-fp8-small --files 3");
  EXPECT_EQ(made.exit_code, 0) << made.output;
  EXPECT_EQ(Config()["quantization_config"]["quant_method"], "fp8");
  EXPECT_TRUE(fs::exists(root_ / "c/model-00003-of-00003.safetensors"));
}

TEST_F(MakeCheckpointTest, RefusesWhatAFamilyHasNot) {
  const auto refused = [&](const std::string& options, const std::string& what) {
    const Outcome outcome = Make(options);
    EXPECT_EQ(outcome.exit_code, 2) << options;
    EXPECT_THAT(outcome.output, HasSubstr(what));
    EXPECT_FALSE(fs::exists(root_ / "c"));
  };
  refused("--preset llama-small --q-lora-rank 8", "llama has no --q-lora-rank");
  refused("--preset llama-small --experts 8", "llama has no --experts");
  refused("--preset qwen3-small --kind w8a8", "qwen3 has no --kind");
  refused("--preset qwen3-small --fa3", "qwen3 has no --fa3");
  refused("--preset tiny --head-dim 8", "deepseek-v3 has no --head-dim");
  refused("--preset llama-small --kv-heads 0", "is 0");
  refused("--preset llama-small --heads 24", "is not a multiple of 24");
  refused("--preset gpt-2", "gpt-2");
}

}  // namespace
}  // namespace shardfs::tools
