#include "tools/deepseek_config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tools/checkpoint_tensors.h"

namespace shardfs::tools {
namespace {

nlohmann::ordered_json Config(const DeepSeekShape& shape, const Quantisation& quantisation = {}) {
  return nlohmann::ordered_json::parse(DeepSeekModel(shape, quantisation).config.Json());
}

TEST(DeepSeekModelTest, SaysTheShape) {
  DeepSeekShape shape = FindPreset("deepseek-v3")->shape;
  const auto config = Config(shape);
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
  EXPECT_EQ(Config(shape)["torch_dtype"], "float16");
}

TEST(DeepSeekModelTest, RoutingFitsAnyNumberOfExperts) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  for (shape.experts = 1; shape.experts <= 300; ++shape.experts) {
    const auto config = Config(shape);
    const std::uint64_t groups = config["n_group"];
    const std::uint64_t chosen = config["topk_group"];
    const std::uint64_t per_token = config["num_experts_per_tok"];
    EXPECT_EQ(shape.experts % groups, 0u);
    EXPECT_LE(chosen, groups);
    EXPECT_LE(per_token, chosen * (shape.experts / groups));
  }
}

TEST(DeepSeekModelTest, SaysHowItIsQuantised) {
  const DeepSeekShape shape = FindPreset("tiny")->shape;
  EXPECT_FALSE(Config(shape).contains("quantize"));
  auto config = Config(shape, {.kind = CheckpointKind::kW8A8, .quantised_mtp = true});
  EXPECT_EQ(config["quantize"], "w8a8");
  EXPECT_FALSE(config.contains("mla_quantize"));
  EXPECT_FALSE(config.contains("mtp_quantize"));
  config = Config(shape, {.kind = CheckpointKind::kW4A8, .quantised_mtp = true, .fa3 = true});
  EXPECT_EQ(config["quantize"], "w8a8_dynamic");
  EXPECT_EQ(config["mla_quantize"], "w8a8");
  EXPECT_EQ(config["moe_quantize"], "w4a8_dynamic");
  EXPECT_EQ(config["mtp_quantize"], "w8a8_dynamic");
  EXPECT_EQ(config["quantization_config"]["fa_quant_type"], "FAKQuant");
}

std::string Description(const Quantisation& quantisation) {
  const DeepSeekShape shape = FindPreset("tiny")->shape;
  const auto tensors = CheckpointTensors(shape, quantisation);
  std::vector<std::string_view> names;
  for (const NewTensor& tensor : tensors) names.push_back(tensor.name);
  return DescriptionJson(shape, quantisation, names);
}

TEST(DescriptionJsonTest, IsTheGoldenCasesByteForByte) {
  const Quantisation mix{.kind = CheckpointKind::kW8A8Mix, .description_version = ""};
  const auto path =
      std::filesystem::path(SHARDFS_TESTS_DIR) / "golden/mindie/mix_dp2tp2_mtp2ep2/source" / DescriptionFileName(mix);
  std::ifstream in(path, std::ios::binary);
  const std::string golden{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_EQ(Description(mix), golden);
}

TEST(DescriptionJsonTest, VersionGroupsAndFa3) {
  const auto group = nlohmann::json::parse(Description({.kind = CheckpointKind::kW4A8Group, .fa3 = true}));
  EXPECT_EQ(group["version"], "1.0.0");
  EXPECT_EQ(group["group_size"], 16);
  EXPECT_EQ(group["fa_quant_type"], "FAKQuant");
  EXPECT_EQ(group["model.layers.3.mlp.experts.1.down_proj.weight_scale_second"], "W4A8_DYNAMIC");
  EXPECT_EQ(group["model.layers.3.self_attn.fa_k.scale"], "FAQuant");
  const auto channel = nlohmann::json::parse(Description({.kind = CheckpointKind::kW4A8}));
  EXPECT_EQ(channel["group_size"], 0);
  const auto anti = nlohmann::json::parse(Description({.kind = CheckpointKind::kW8A8Mix, .norms = NormStyle::kAnti}));
  EXPECT_EQ(anti["model.layers.0.input_layernorm.module.bias"], "W8A8");
  EXPECT_EQ(anti["model.layers.0.input_layernorm.weight"], "FLOAT");
}

TEST(DeepSeekModelTest, Fp8HasThePublishedQuantizationConfig) {
  const Preset& preset = *FindPreset("deepseek-v3-fp8");
  const auto config = Config(preset.shape, preset.quantisation);
  EXPECT_EQ(config["quantization_config"].dump(),
            R"({"activation_scheme":"dynamic","fmt":"e4m3","quant_method":"fp8","weight_block_size":[128,128]})");
  EXPECT_FALSE(config.contains("quantize"));
  std::vector<std::string> keys;
  for (const auto& [key, value] : config.items()) keys.push_back(key);
  EXPECT_TRUE(std::ranges::is_sorted(keys));
}

}  // namespace
}  // namespace shardfs::tools
