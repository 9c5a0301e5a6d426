// Small checkpoints of every family, loaded from what the sharded-state layout shows by the rules of vLLM's and
// SGLang's loaders (engine_loader.py), with servers that fit and servers that do not.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "end_to_end/golden_view_case.h"
#include "end_to_end/mounted_program.h"
#include "tools/checkpoint_writer.h"
#include "tools/model_presets.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

// Runs engine_loader.py over the sources; what it says where it fails.
void ExpectLoads(const fs::path& scratch, const std::vector<fs::path>& sources) {
  if (std::system("python3 -c '' > /dev/null 2>&1") != 0) GTEST_SKIP() << "python3 is not installed";
  const fs::path output = scratch / "output";
  std::string command =
      "python3 '" SHARDFS_TESTS_DIR "/end_to_end/engine_loader.py' '" SHARDFS_EXECUTABLE "' '" + scratch.string() + "'";
  for (const fs::path& source : sources) command += " '" + source.string() + "'";
  const int result = std::system((command + " > '" + output.string() + "' 2>&1").c_str());
  EXPECT_EQ(result, 0) << ReadFile(output);
}

class ShardedStateLoader : public ::testing::TestWithParam<const char*> {};

TEST_P(ShardedStateLoader, ASmallModelLoadsWhereTheCheckSaysSo) {
  const MountableDirectory scratch;
  const tools::ModelPreset& preset = *tools::FindModelPreset(GetParam());
  tools::Model model = tools::ModelOf(preset);
  model.config.Set("num_hidden_layers", 2);
  tools::WriteOptions options;
  options.files = 2;
  const fs::path source = scratch.path() / "source";
  const auto written = tools::WriteModel(source, model, options);
  ASSERT_TRUE(written.ok()) << written.status();
  ExpectLoads(scratch.path(), {source});
}

INSTANTIATE_TEST_SUITE_P(Presets, ShardedStateLoader,
                         ::testing::Values("llama-small", "qwen2-small", "qwen3-small", "qwen3-moe-small",
                                           "mixtral-small", "deepseek-v2-small"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(ShardedStateLoaderTest, DeepseekV3LoadsWhereTheCheckSaysSo) {
  const MountableDirectory scratch;
  ExpectLoads(scratch.path(), {fs::path(SHARDFS_TESTS_DIR) / "golden/mindie/bf16_dp2tp2_mtp2ep2/source"});
}

TEST(ShardedStateLoaderTest, EveryGoldenCaseLoadsWhereTheCheckSaysSo) {
  std::vector<fs::path> sources;
  for (const GoldenViewCase& golden : GoldenViewCases("sharded-state")) {
    if (golden.is_refused || std::find(sources.begin(), sources.end(), golden.source) != sources.end()) continue;
    sources.push_back(golden.source);
  }
  ASSERT_FALSE(sources.empty());
  const MountableDirectory scratch;
  ExpectLoads(scratch.path(), sources);
}

// FP8 weights shown as BF16 on the way are those of a checkpoint that was converted before.
TEST(ShardedStateFp8, OneStepGivesWhatTwoStepsGive) {
  const MountableDirectory scratch;
  const tools::Preset& preset = *tools::FindPreset("deepseek-v3-fp8-small");
  tools::CheckpointOptions options;
  options.shape = preset.shape;
  options.quantisation = preset.quantisation;
  options.files = 2;
  const std::string source = scratch.path() / "fp8";
  const auto written = tools::WriteCheckpoint(source, options);
  ASSERT_TRUE(written.ok()) << written.status();
  const std::vector<std::string> layout = {"--layout", "sharded-state", "--tp", "2", "--max-shard-size", "1MB"};
  const auto materialize = [&](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.begin(), "materialize");
    words.insert(words.end(), more.begin(), more.end());
    const ProgramResult result = RunShardfs(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result;
  };
  const std::string bf16 = scratch.path() / "bf16";
  const std::string two = scratch.path() / "two";
  const std::string one = scratch.path() / "one";
  materialize({source, bf16, "--dequantize", "bf16"}, {"--layout", "huggingface", "--files", "source"});
  materialize({bf16, two}, layout);
  materialize({source, one, "--dequantize", "bf16"}, layout);
  EXPECT_TRUE(IsReferenceDirectory(one, two, [](const auto& path) { return ReadFile(path); }));
  EXPECT_EQ(RunShardfs({"plan", source, "--layout", "sharded-state", "--tp", "2"}).exit_code, 3);
}

}  // namespace
}  // namespace shardfs::testing
