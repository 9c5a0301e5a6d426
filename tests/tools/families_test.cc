// Names and shapes of each family, on its small preset.
#include "tools/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/model_presets.h"

namespace shardfs::tools {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The tensors whose names begin with `prefix`, as "name [shape]", without the prefix.
std::vector<std::string> Tensors(const Model& model, std::string_view prefix) {
  const auto tensors = FamilyTensors(model);
  EXPECT_TRUE(tensors.ok()) << tensors.status();
  std::vector<std::string> found;
  for (const NewTensor& tensor : tensors.value()) {
    if (!tensor.name.starts_with(prefix)) continue;
    EXPECT_EQ(tensor.dtype, Dtype::kBF16) << tensor.name;
    found.push_back(tensor.name.substr(prefix.size()) + " " + ShapeToString(tensor.shape));
  }
  return found;
}

Model Preset(std::string_view name) { return ModelOf(*FindModelPreset(name)); }

TEST(FamiliesTest, Llama) {
  const Model model = Preset("llama-small");
  EXPECT_THAT(
      Tensors(model, "model.layers.3."),
      ElementsAre("self_attn.q_proj.weight [64, 64]", "self_attn.k_proj.weight [16, 64]",
                  "self_attn.v_proj.weight [16, 64]", "self_attn.o_proj.weight [64, 64]",
                  "mlp.gate_proj.weight [176, 64]", "mlp.up_proj.weight [176, 64]", "mlp.down_proj.weight [64, 176]",
                  "input_layernorm.weight [64]", "post_attention_layernorm.weight [64]"));
  const auto all = Tensors(model, "");
  EXPECT_EQ(all.size(), 4u * 9 + 3);
  EXPECT_EQ(all.front(), "model.embed_tokens.weight [512, 64]");
  EXPECT_EQ(all[all.size() - 2], "model.norm.weight [64]");
  EXPECT_EQ(all.back(), "lm_head.weight [512, 64]");
}

TEST(FamiliesTest, Qwen2HasBiasesAndATiedHead) {
  const Model model = Preset("qwen2-small");
  EXPECT_THAT(Tensors(model, "model.layers.0.self_attn."),
              ElementsAre("q_proj.weight [64, 64]", "q_proj.bias [64]", "k_proj.weight [16, 64]", "k_proj.bias [16]",
                          "v_proj.weight [16, 64]", "v_proj.bias [16]", "o_proj.weight [64, 64]"));
  EXPECT_THAT(Tensors(model, "lm_head"), IsEmpty());
  EXPECT_EQ(Tensors(model, "").size(), 4u * 12 + 2);
  EXPECT_THAT(Tensors(Preset("qwen2-7b"), "lm_head"), ElementsAre(".weight [152064, 3584]"));
}

TEST(FamiliesTest, Qwen3HasNormsOfQueriesAndKeys) {
  const Model model = Preset("qwen3-small");
  EXPECT_THAT(Tensors(model, "model.layers.0.self_attn."),
              ElementsAre("q_proj.weight [128, 64]", "k_proj.weight [64, 64]", "v_proj.weight [64, 64]",
                          "o_proj.weight [64, 128]", "q_norm.weight [16]", "k_norm.weight [16]"));
  EXPECT_THAT(Tensors(model, "lm_head"), IsEmpty());
  EXPECT_EQ(Tensors(model, "").size(), 4u * 11 + 2);
}

TEST(FamiliesTest, Qwen3Moe) {
  const Model model = Preset("qwen3-moe-small");
  EXPECT_THAT(Tensors(model, "model.layers.2.mlp.gate."), ElementsAre("weight [16, 64]"));
  EXPECT_THAT(Tensors(model, "model.layers.2.mlp.experts.15."),
              ElementsAre("gate_proj.weight [32, 64]", "up_proj.weight [32, 64]", "down_proj.weight [64, 32]"));
  EXPECT_THAT(Tensors(model, "model.layers.0.mlp.experts.16."), IsEmpty());
  EXPECT_EQ(Tensors(model, "").size(), 3u * (9 + 16 * 3) + 3);
}

TEST(FamiliesTest, Mixtral) {
  const Model model = Preset("mixtral-small");
  EXPECT_THAT(Tensors(model, "model.layers.1.block_sparse_moe.gate."), ElementsAre("weight [8, 64]"));
  EXPECT_THAT(Tensors(model, "model.layers.1.block_sparse_moe.experts.7."),
              ElementsAre("w1.weight [96, 64]", "w2.weight [64, 96]", "w3.weight [96, 64]"));
  EXPECT_THAT(Tensors(model, "model.layers.1.self_attn.k_proj."), ElementsAre("weight [16, 64]"));
  EXPECT_EQ(Tensors(model, "").size(), 3u * (7 + 8 * 3) + 3);
}

TEST(FamiliesTest, DeepSeekMoeHasADenseLayerAndFusedSharedExperts) {
  const Model model = Preset("deepseek-moe-small");
  EXPECT_THAT(Tensors(model, "model.layers.0.mlp."),
              ElementsAre("gate_proj.weight [160, 64]", "up_proj.weight [160, 64]", "down_proj.weight [64, 160]"));
  EXPECT_THAT(Tensors(model, "model.layers.1.mlp.shared_experts."),
              ElementsAre("gate_proj.weight [64, 64]", "up_proj.weight [64, 64]", "down_proj.weight [64, 64]"));
  EXPECT_THAT(Tensors(model, "model.layers.1.mlp.gate"), ElementsAre(".weight [16, 64]"));
  EXPECT_THAT(Tensors(model, "model.layers.1.self_attn."),
              ElementsAre("q_proj.weight [64, 64]", "k_proj.weight [64, 64]", "v_proj.weight [64, 64]",
                          "o_proj.weight [64, 64]"));
  EXPECT_EQ(Tensors(model, "").size(), 9u + 3u * (6 + 16 * 3 + 1 + 3) + 3);
}

TEST(FamiliesTest, DeepSeekV2HasLatentAttentionWithAndWithoutARankOfQueries) {
  const Model model = Preset("deepseek-v2-small");
  EXPECT_THAT(Tensors(model, "model.layers.1.self_attn."),
              ElementsAre("q_a_proj.weight [24, 64]", "q_a_layernorm.weight [24]", "q_b_proj.weight [192, 24]",
                          "kv_a_proj_with_mqa.weight [20, 64]", "kv_a_layernorm.weight [16]",
                          "kv_b_proj.weight [256, 16]", "o_proj.weight [64, 128]"));
  EXPECT_THAT(Tensors(model, ""), Not(Contains(HasSubstr("e_score_correction_bias"))));
  EXPECT_THAT(Tensors(Preset("deepseek-v2-lite"), "model.layers.1.self_attn.q_"),
              ElementsAre("proj.weight [3072, 2048]"));
}

TEST(FamiliesTest, EveryFamilysOwnConfigHasTensors) {
  for (const Family& family : Families()) {
    EXPECT_TRUE(FamilyTensors({&family, ModelConfig(family.config)}).ok()) << family.name;
    EXPECT_EQ(FindFamily(family.name), &family);
  }
  EXPECT_EQ(FindFamily("gpt-2"), nullptr);
}

TEST(FamilyTensorsTest, RefusesSizesThatAreMissingAbsurdOrDoNotDivide) {
  const auto message = [](std::string_view key, std::string json) {
    Model model = Preset("mixtral-small");
    model.config.Set(key, std::move(json));
    const auto tensors = FamilyTensors(model);
    EXPECT_EQ(tensors.status().code(), StatusCode::kInvalidArgument) << key;
    return std::string(tensors.status().message());
  };
  EXPECT_THAT(message("vocab_size", "0"), HasSubstr("vocab_size of model.embed_tokens.weight is 0"));
  EXPECT_THAT(message("vocab_size", "\"many\""), HasSubstr("vocab_size is \"many\""));
  EXPECT_THAT(message("num_attention_heads", "24"), HasSubstr("256 is not a multiple of 24"));
  EXPECT_THAT(message("num_local_experts", "0"), HasSubstr("num_local_experts is 0"));
  EXPECT_THAT(message("num_hidden_layers", "9999999"), HasSubstr("num_hidden_layers is 9999999"));
  EXPECT_THAT(message("torch_dtype", "\"float64\""), HasSubstr("float64"));
}

}  // namespace
}  // namespace shardfs::tools
