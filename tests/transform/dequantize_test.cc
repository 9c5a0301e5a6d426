#include "transform/dequantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/tiny_checkpoint.h"
#include "shardfs/tensor/read_plan.h"

namespace shardfs::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kConfig[] =
    R"({"model_type": "deepseek_v3", "quantization_config": {"quant_method": "fp8", "weight_block_size": [2, 4]}, "eps": 1e-06})";

class DequantizeTest : public ::testing::Test {
 protected:
  DequantizeTest() {
    source_.AddShard("a.safetensors", {{"norm.weight", Dtype::kBF16, {8}}, {"q.weight", Dtype::kF8E4M3, {3, 5}}});
    source_.AddShard("b.safetensors", {{"q.weight_scale_inv", Dtype::kF32, {2, 2}}});
    source_.AddFile("config.json", kConfig);
  }

  Result<CheckpointPtr> Apply() const {
    const DequantizeTransform dequantize;
    SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ValuesOf(dequantize, {{"dequantize", "bf16"}}));
    EXPECT_TRUE(dequantize.IsAskedFor(values));
    return dequantize.Apply(source_.Open(), values, {});
  }

  CheckpointPtr MustApply() const {
    auto checkpoint = Apply();
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    return checkpoint.ok() ? *checkpoint : nullptr;
  }

  std::string Refusal() const {
    const auto checkpoint = Apply();
    EXPECT_FALSE(checkpoint.ok());
    if (checkpoint.ok()) return "";
    EXPECT_EQ(checkpoint.status().code(), StatusCode::kCorruption) << checkpoint.status();
    return std::string(checkpoint.status().message());
  }

  TinyCheckpoint source_;
};

TEST_F(DequantizeTest, ShowsCodesAsBF16AndAccountsForTheScales) {
  const CheckpointPtr checkpoint = MustApply();
  ASSERT_NE(checkpoint, nullptr);
  std::vector<std::string> names;
  for (const TensorSpec& spec : checkpoint->tensors().specs()) names.emplace_back(spec.name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("norm.weight", "q.weight"));
  const TensorSpec* const weight = checkpoint->Find("q.weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->dtype, Dtype::kBF16);
  EXPECT_EQ(weight->shape, (Shape{3, 5}));
  EXPECT_EQ(checkpoint->Find("q.weight_scale_inv"), nullptr);
  EXPECT_EQ(checkpoint->tensors().SpanOf(checkpoint->IndexOf(*weight)), std::nullopt) << "its bytes are computed";
  const auto tensor = checkpoint->Build(*weight);
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(LowerToPlan(*tensor)->size(), 30u);
  ASSERT_EQ(checkpoint->ignored().size(), 1u);
  EXPECT_EQ(checkpoint->ignored()[0].name, "q.weight_scale_inv");
  EXPECT_EQ(checkpoint->ignored()[0].bytes, 16u);
  EXPECT_THAT(checkpoint->warnings(), IsEmpty());
  EXPECT_EQ(checkpoint->transforms()[0].name, "dequantize");
  EXPECT_THAT(checkpoint->transforms()[0].account,
              HasSubstr("1 tensor from FP8 to BF16 in blocks of 2 x 4 (31 bytes become 30), 0 left as FP8"));
  EXPECT_THAT(checkpoint->empty_files(), ElementsAre("b.safetensors"));
}

TEST_F(DequantizeTest, ConfigSaysTheTruthAndKeepsTheRest) {
  const CheckpointPtr checkpoint = MustApply();
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(*checkpoint->ReadText("config.json", 1000), "{\n  \"model_type\": \"deepseek_v3\",\n  \"eps\": 1e-06\n}\n");
  EXPECT_EQ((*checkpoint->config())->Find("quantization_config"), nullptr);
}

TEST_F(DequantizeTest, AFP8TensorWithoutAScaleStaysAndIsNamed) {
  source_.AddShard("c.safetensors",
                   {{"lonely.weight", Dtype::kF8E4M3, {2, 2}}, {"orphan.weight_scale_inv", Dtype::kF32, {1, 1}}});
  const CheckpointPtr checkpoint = MustApply();
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->Find("lonely.weight")->dtype, Dtype::kF8E4M3);
  EXPECT_THAT(checkpoint->warnings(), ElementsAre(HasSubstr("1 F8_E4M3 tensor is without a scale that the checkpoint "
                                                            "has, and stays FP8: lonely.weight")));
  EXPECT_EQ(checkpoint->ignored().size(), 2u);
}

TEST_F(DequantizeTest, NothingToDoIsSaid) {
  TinyCheckpoint plain;
  plain.AddShard("a.safetensors", {{"norm.weight", Dtype::kBF16, {8}}});
  const DequantizeTransform dequantize;
  const auto checkpoint = dequantize.Apply(plain.Open(), *ValuesOf(dequantize, {{"dequantize", "bf16"}}), {});
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT((*checkpoint)->warnings(), ElementsAre(HasSubstr("dequantize changes no tensor")));
}

TEST_F(DequantizeTest, ReadsOfNanCodesAreCountedAndTheFirstIsTold) {
  TinyCheckpoint source;
  source.AddShard("a.safetensors",
                  {{"q.weight_scale_inv", Dtype::kF32, {1, 1}}, {"q.weight", Dtype::kF8E4M3, {16, 16}}});
  const DequantizeTransform dequantize;
  std::vector<std::string> told;
  const auto checkpoint = dequantize.Apply(source.Open(), *ValuesOf(dequantize, {{"dequantize", "bf16"}}),
                                           {[&told](const std::string& notice) { told.push_back(notice); }});
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  ASSERT_EQ((*checkpoint)->notices().size(), 1u);
  const auto plan = LowerToPlan((*checkpoint)->tensors().Build(0).value());
  ASSERT_TRUE(plan.ok());
  std::vector<std::byte> bytes(plan->size());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(plan->ReadAt(0, bytes).ok());
  EXPECT_EQ((*checkpoint)->notices()[0].reads->load(), 2u) << "all 256 codes stand in it";
  EXPECT_THAT(told, ElementsAre(HasSubstr("'q.weight' has FP8 codes that are NaN")));
}

TEST_F(DequantizeTest, RefusesScalesThatDoNotFit) {
  source_.AddShard("a.safetensors", {{"q.weight", Dtype::kF8E4M3, {3, 9}}});
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("'q.weight_scale_inv' is [2, 2], but 'q.weight' [3, 9] has [2, 3] blocks"),
                               HasSubstr("of 2 x 4")));
  source_.AddShard("a.safetensors", {{"q.weight", Dtype::kI8, {3, 5}}});
  EXPECT_THAT(Refusal(), HasSubstr("'q.weight' is I8 and has a 'q.weight_scale_inv'; only F8_E4M3 is dequantised"));
  source_.AddShard("a.safetensors", {{"q.weight", Dtype::kF8E4M3, {15}}});
  EXPECT_THAT(Refusal(), HasSubstr("must both be 2-D"));
  source_.AddShard("a.safetensors", {{"q.weight", Dtype::kF8E4M3, {3, 5}}});
  source_.AddShard("b.safetensors", {{"q.weight_scale_inv", Dtype::kF64, {2, 2}}});
  EXPECT_THAT(Refusal(), HasSubstr("'q.weight_scale_inv' is F64, not F32, BF16, F16 or F8_E8M0"));
}

TEST_F(DequantizeTest, RefusesConfigsOfOtherSchemes) {
  const auto refusal_of = [&](const std::string& quantization) {
    source_.AddFile("config.json", R"({"quantization_config": )" + quantization + "}");
    return Refusal();
  };
  EXPECT_THAT(refusal_of(R"({"quant_method": "compressed-tensors"})"),
              HasSubstr("quant_method of config.json is \"compressed-tensors\", not \"fp8\""));
  EXPECT_THAT(refusal_of(R"({"quant_method": "fp8"})"), HasSubstr("weight_block_size of config.json is missing"));
  EXPECT_THAT(refusal_of(R"({"quant_method": "fp8", "weight_block_size": null})"), HasSubstr("is null, not two sizes"));
  EXPECT_THAT(refusal_of(R"({"quant_method": "fp8", "weight_block_size": [128]})"), HasSubstr("is [128], not"));
  EXPECT_THAT(refusal_of(R"({"quant_method": "fp8", "weight_block_size": [0, 128]})"), HasSubstr("not two sizes"));
}

}  // namespace
}  // namespace shardfs::testing
