#include "tools/deepseek_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace shardfs::tools {
namespace {

TEST(ConfigJsonTest, SaysTheShape) {
  DeepSeekShape shape = FindPreset("deepseek-v3")->shape;
  const auto config = nlohmann::json::parse(ConfigJson(shape));
  EXPECT_EQ(config["model_type"], "deepseek_v3");
  EXPECT_EQ(config["torch_dtype"], "bfloat16");
  EXPECT_EQ(config["hidden_size"], 7168);
  EXPECT_EQ(config["num_hidden_layers"], 61);
  EXPECT_EQ(config["num_attention_heads"], 128);
  EXPECT_EQ(config["num_nextn_predict_layers"], 1);
  EXPECT_EQ(config["n_group"], 8);
  EXPECT_EQ(config["topk_group"], 4);
  EXPECT_EQ(config["num_experts_per_tok"], 8);
  shape.dtype = Dtype::kF16;
  EXPECT_EQ(nlohmann::json::parse(ConfigJson(shape))["torch_dtype"], "float16");
}

TEST(ConfigJsonTest, RoutingFitsAnyNumberOfExperts) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  for (shape.experts = 1; shape.experts <= 300; ++shape.experts) {
    const auto config = nlohmann::json::parse(ConfigJson(shape));
    const std::uint64_t groups = config["n_group"];
    const std::uint64_t chosen = config["topk_group"];
    const std::uint64_t per_token = config["num_experts_per_tok"];
    EXPECT_EQ(shape.experts % groups, 0u);
    EXPECT_LE(chosen, groups);
    EXPECT_LE(per_token, chosen * (shape.experts / groups));
  }
}

TEST(GenerationConfigJsonTest, TopKIsWithinTheVocabulary) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  EXPECT_EQ(nlohmann::json::parse(GenerationConfigJson(shape))["top_k"], 20);
  shape.vocab = 8;
  EXPECT_EQ(nlohmann::json::parse(GenerationConfigJson(shape))["top_k"], 8);
}

TEST(IndexJsonTest, MapsTensorsToFiles) {
  const auto index = nlohmann::json::parse(IndexJson({{"b", "1.safetensors"}, {"a", "2.safetensors"}}, 12));
  EXPECT_EQ(index["metadata"]["total_size"], 12);
  EXPECT_EQ(index["weight_map"].size(), 2u);
  EXPECT_EQ(index["weight_map"]["a"], "2.safetensors");
}

}  // namespace
}  // namespace shardfs::tools
