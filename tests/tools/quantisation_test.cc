#include "tools/quantisation.h"

#include <gtest/gtest.h>

namespace shardfs::tools {
namespace {

TEST(ParseCheckpointKindTest, KnowsTheNamesOfTheCommandLine) {
  EXPECT_EQ(ParseCheckpointKind("w8a8_mix"), CheckpointKind::kW8A8Mix);
  EXPECT_EQ(ParseCheckpointKind("w4a8_group"), CheckpointKind::kW4A8Group);
  EXPECT_EQ(ParseCheckpointKind("fp8"), CheckpointKind::kFp8Block);
}

TEST(KindOfTensorTest, IsThatOfTheLinear) {
  const Quantisation w4a8{.kind = CheckpointKind::kW4A8, .quantised_mtp = true};
  const auto kind = [&](std::string_view name) { return KindOfTensor(w4a8, 61, name); };
  EXPECT_EQ(kind("model.embed_tokens.weight"), WeightKind::kFloat);
  EXPECT_EQ(kind("model.layers.60.self_attn.kv_a_proj_with_mqa.deq_scale"), WeightKind::kW8A8);
  EXPECT_EQ(kind("model.layers.60.self_attn.kv_b_proj.weight"), WeightKind::kFloat);
  EXPECT_EQ(kind("model.layers.60.self_attn.q_a_layernorm.bias"), WeightKind::kFloat);
  EXPECT_EQ(kind("model.layers.60.mlp.gate.weight"), WeightKind::kFloat);
  EXPECT_EQ(kind("model.layers.60.mlp.experts.3.up_proj.scale_bias"), WeightKind::kW4A8Dynamic);
  EXPECT_EQ(kind("model.layers.60.mlp.shared_experts.up_proj.weight"), WeightKind::kW8A8Dynamic);
  EXPECT_EQ(kind("model.layers.61.mlp.experts.3.up_proj.weight"), WeightKind::kW8A8Dynamic);
  EXPECT_EQ(kind("model.layers.61.eh_proj.weight"), WeightKind::kFloat);
  Quantisation float_mtp = w4a8;
  float_mtp.quantised_mtp = false;
  EXPECT_EQ(KindOfTensor(float_mtp, 61, "model.layers.61.mlp.experts.3.up_proj.weight"), WeightKind::kFloat);
}

TEST(FileNamesTest, SayQuantize) {
  EXPECT_EQ(WeightFilePrefix(CheckpointKind::kFloat), "model");
  EXPECT_EQ(WeightFilePrefix(CheckpointKind::kW4A8), "quant_model_weight_w8a8_dynamic");
  EXPECT_EQ(DescriptionFileName({.kind = CheckpointKind::kW8A16}), "quant_model_description.json");
  for (const char* version : {"", "0.0.0"}) {
    EXPECT_EQ(DescriptionFileName({.kind = CheckpointKind::kW8A16, .description_version = version}),
              "quant_model_description_w8a16.json");
  }
}

}  // namespace
}  // namespace shardfs::tools
