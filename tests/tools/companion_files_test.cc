#include "tools/companion_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tools/deepseek_config.h"
#include "tools/model_presets.h"

namespace shardfs::tools {
namespace {

TEST(GenerationConfigJsonTest, TopKIsWithinTheVocabulary) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  const auto top_k = [&] { return nlohmann::json::parse(GenerationConfigJson(DeepSeekModel(shape).config))["top_k"]; };
  EXPECT_EQ(top_k(), 20);
  shape.vocab = 8;
  EXPECT_EQ(top_k(), 8);
}

TEST(GenerationConfigJsonTest, HasTheModelsTokens) {
  const Model model = ModelOf(*FindModelPreset("qwen3-small"));
  const auto json = nlohmann::json::parse(GenerationConfigJson(model.config));
  EXPECT_EQ(json["bos_token_id"], 151643);
  EXPECT_EQ(json["eos_token_id"], 151645);
}

TEST(CompanionFilesTest, OnlyRemoteCodeHasPythonFiles) {
  const auto names = [](const Model& model) {
    std::vector<std::string> found;
    for (const TextFile& file : CompanionFiles(model)) found.push_back(file.name);
    return found;
  };
  EXPECT_THAT(names(DeepSeekModel(FindPreset("tiny")->shape)), ::testing::Contains("modeling_deepseek.py"));
  const auto llama = names(ModelOf(*FindModelPreset("llama-small")));
  EXPECT_THAT(llama, ::testing::Contains("tokenizer.json"));
  EXPECT_THAT(llama, ::testing::Not(::testing::Contains(::testing::EndsWith(".py"))));
}

}  // namespace
}  // namespace shardfs::tools
