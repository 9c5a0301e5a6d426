#include "tools/checkpoint_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace shardfs::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::map<std::string, NewTensor> ByName(const std::vector<NewTensor>& tensors) {
  std::map<std::string, NewTensor> map;
  for (const NewTensor& tensor : tensors) map.emplace(tensor.name, tensor);
  return map;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::uint64_t TotalBytes(const std::vector<NewTensor>& tensors) {
  std::uint64_t total = 0;
  for (const NewTensor& tensor : tensors) total += ElementCount(tensor.shape).value() * DtypeBytes(tensor.dtype);
  return total;
}

TEST(FloatTensorsTest, TrueScaleHasThePublicCheckpointsTensors) {
  const auto tensors = FloatTensors(FindPreset("deepseek-v3")->shape);
  // 3 dense layers of 12, 58 MoE layers of 14 and 256 experts, the MTP layer with 6 more, embedding, norm and head.
  EXPECT_EQ(tensors.size(), 3u * 12 + 58u * (14 + 256 * 3) + (20 + 256 * 3) + 3);
  // Parameters of the main model and of the MTP layer with its embedding and head, two bytes each; the routers' biases
  // have four.
  EXPECT_EQ(TotalBytes(tensors), 2 * (671'026'419'200 + 13'463'426'304) + 2 * 59 * 256);
  const auto map = ByName(tensors);
  EXPECT_EQ(map.size(), tensors.size());
  EXPECT_EQ(map.at("model.layers.0.self_attn.q_b_proj.weight").shape, (Shape{24576, 1536}));
  EXPECT_EQ(map.at("model.layers.60.self_attn.kv_a_proj_with_mqa.weight").shape, (Shape{576, 7168}));
  EXPECT_EQ(map.at("model.layers.60.self_attn.kv_b_proj.weight").shape, (Shape{32768, 512}));
  EXPECT_EQ(map.at("model.layers.2.mlp.down_proj.weight").shape, (Shape{7168, 18432}));
  EXPECT_EQ(map.at("model.layers.3.mlp.experts.255.up_proj.weight").shape, (Shape{2048, 7168}));
  EXPECT_EQ(map.at("model.layers.61.eh_proj.weight").shape, (Shape{7168, 14336}));
  EXPECT_EQ(map.at("model.layers.61.shared_head.head.weight").shape, (Shape{129280, 7168}));
  EXPECT_EQ(map.at("model.layers.61.mlp.gate.e_score_correction_bias").dtype, Dtype::kF32);
}

// The tiny preset has the sizes of most golden cases.
void ExpectGoldenSource(const std::string& golden_case, const Quantisation& quantisation) {
  SCOPED_TRACE(golden_case);
  const auto source = std::filesystem::path(SHARDFS_TESTS_DIR) / "golden/mindie" / golden_case / "source";
  const auto tensors = CheckpointTensors(FindPreset("tiny")->shape, quantisation);

  const std::string prefix = WeightFilePrefix(quantisation.kind);
  const auto index = nlohmann::ordered_json::parse(ReadFile(source / (prefix + ".safetensors.index.json")));
  std::vector<std::string> golden_names;
  for (const auto& [name, file] : index["weight_map"].items()) golden_names.push_back(name);
  std::vector<std::string> names;
  for (const NewTensor& tensor : tensors) names.push_back(tensor.name);
  EXPECT_EQ(names, golden_names);

  const auto map = ByName(tensors);
  for (const char* number : {"1", "2"}) {
    const std::string file = ReadFile(source / (prefix + "-0000" + number + "-of-00002.safetensors"));
    const auto bytes = std::as_bytes(std::span(file));
    const auto header =
        ParseHeader(bytes.first(HeaderExtent(bytes.first(8), bytes.size()).value()), bytes.size(), number);
    ASSERT_TRUE(header.ok()) << header.status();
    for (const HeaderTensor& tensor : header->tensors) {
      EXPECT_EQ(map.at(tensor.name).dtype, tensor.dtype) << tensor.name;
      EXPECT_EQ(map.at(tensor.name).shape, tensor.shape) << tensor.name;
    }
  }
}

TEST(CheckpointTensorsTest, TinyIsTheGoldenCasesSource) {
  ExpectGoldenSource("bf16_dp2tp2_mtp2ep2", {});
  ExpectGoldenSource("mix_dp2tp2_mtp2ep2", {.kind = CheckpointKind::kW8A8Mix});
  ExpectGoldenSource("w4a8_group_dp2tp2_mtp2ep2", {.kind = CheckpointKind::kW4A8Group, .quantised_mtp = true});
}

TEST(FloatTensorsTest, DtypeIsOfEveryTensorButTheRoutersBias) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  shape.dtype = Dtype::kF16;
  for (const NewTensor& tensor : FloatTensors(shape)) {
    EXPECT_EQ(tensor.dtype, tensor.name.ends_with("e_score_correction_bias") ? Dtype::kF32 : Dtype::kF16);
  }
}

TEST(FloatTensorsTest, LayersWithoutMtpOrSharedExperts) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  shape.mtp_layers = 0;
  shape.shared_experts = 0;
  for (const NewTensor& tensor : FloatTensors(shape)) {
    EXPECT_FALSE(tensor.name.starts_with("model.layers.5.")) << tensor.name;
    EXPECT_EQ(tensor.name.find("shared"), std::string::npos) << tensor.name;
  }
}

// What the tensors of one module are: "name dtype [shape]", without the prefix.
std::vector<std::string> Module(const Quantisation& quantisation, const std::string& prefix,
                                Dtype dtype = Dtype::kBF16) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  shape.dtype = dtype;
  EXPECT_TRUE(ValidateQuantisation(quantisation, shape).ok()) << ValidateQuantisation(quantisation, shape);
  std::vector<std::string> found;
  for (const NewTensor& tensor : CheckpointTensors(shape, quantisation)) {
    if (!tensor.name.starts_with(prefix)) continue;
    std::string text = tensor.name.substr(prefix.size()) + " " + std::string(DtypeName(tensor.dtype)) + " [";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) text += (i > 0 ? "," : "") + std::to_string(tensor.shape[i]);
    found.push_back(text + "]");
  }
  return found;
}

TEST(CheckpointTensorsTest, TrueScaleMixHasThePublicCheckpointsTensors) {
  const Preset& preset = *FindPreset("deepseek-r1-w8a8");
  const auto tensors = CheckpointTensors(preset.shape, preset.quantisation);
  // 3 dense layers of 27 (attention and norms) and 9, 58 MoE layers of 27, the router's 2, 257 experts of 9, the float
  // MTP layer, embedding, norm and head.
  EXPECT_EQ(tensors.size(), 3u * (27 + 9) + 58u * (27 + 2 + 257 * 9) + (20 + 256 * 3) + 3);
  EXPECT_EQ(tensors.size(), 136'735u);
  EXPECT_EQ(TotalBytes(tensors) / 1'000'000'000, 702u);
  EXPECT_EQ(preset.files, 164u);
}

TEST(CheckpointTensorsTest, StaticW8A8) {
  const Quantisation quantisation{.kind = CheckpointKind::kW8A8, .norms = NormStyle::kBiased};
  const auto linear = ElementsAre("weight I8 [64,32]", "input_scale BF16 [1]", "input_offset BF16 [1]",
                                  "quant_bias I32 [64]", "deq_scale F32 [64]");
  EXPECT_THAT(Module(quantisation, "model.layers.3.mlp.experts.7.down_proj."), linear);
  EXPECT_THAT(Module(quantisation, "model.layers.4.mlp.shared_experts.down_proj."), linear);
  EXPECT_THAT(Module(quantisation, "model.layers.0.post_attention_layernorm."),
              ElementsAre("weight BF16 [64]", "bias BF16 [64]"));
  EXPECT_THAT(Module(quantisation, "model.layers.5.post_attention_layernorm."), ElementsAre("weight BF16 [64]"));
  EXPECT_THAT(Module(quantisation, "model.layers.0.self_attn.kv_b_proj."), ElementsAre("weight BF16 [256,16]"));
}

TEST(CheckpointTensorsTest, DeqScaleIsI64InF16UnlessGiven) {
  Quantisation quantisation{.kind = CheckpointKind::kW8A8};
  const std::string name = "model.layers.0.self_attn.o_proj.deq_scale";
  EXPECT_THAT(Module(quantisation, name, Dtype::kF16), ElementsAre(" I64 [64]"));
  quantisation.deq_scale = Dtype::kF32;
  EXPECT_THAT(Module(quantisation, name, Dtype::kF16), ElementsAre(" F32 [64]"));
}

TEST(CheckpointTensorsTest, W8A16AndDynamicHaveAScaleToARow) {
  for (const CheckpointKind kind : {CheckpointKind::kW8A16, CheckpointKind::kW8A8Dynamic}) {
    const auto linear = ElementsAre("weight I8 [192,24]", "weight_scale F32 [192,1]", "weight_offset F32 [192,1]");
    EXPECT_THAT(Module({.kind = kind}, "model.layers.0.self_attn.q_b_proj."), linear);
    EXPECT_THAT(Module({.kind = kind}, "model.layers.5.self_attn.q_b_proj."), ElementsAre("weight BF16 [192,24]"));
    EXPECT_THAT(Module({.kind = kind, .quantised_mtp = true}, "model.layers.5.self_attn.q_b_proj."), linear);
  }
}

TEST(CheckpointTensorsTest, W4A8ExpertsHoldTwoOutputsInAByte) {
  const Quantisation channel{.kind = CheckpointKind::kW4A8, .quantised_mtp = true};
  EXPECT_THAT(
      Module(channel, "model.layers.3.mlp.experts.0.up_proj."),
      ElementsAre("weight I8 [16,64]", "weight_scale F32 [32,1]", "weight_offset F32 [32,1]", "scale_bias F32 [32,1]"));
  EXPECT_THAT(Module(channel, "model.layers.3.mlp.experts.0.down_proj."),
              ElementsAre("weight I8 [32,32]", "weight_scale F32 [64,1]", "weight_offset F32 [64,1]",
                          "scale_bias F32 [64,16]"));
  EXPECT_THAT(Module(channel, "model.layers.5.mlp.experts.0.down_proj."),
              ElementsAre("weight I8 [64,32]", "weight_scale F32 [64,1]", "weight_offset F32 [64,1]"));
  const Quantisation group{.kind = CheckpointKind::kW4A8Group, .group_size = 8};
  EXPECT_THAT(Module(group, "model.layers.3.mlp.experts.0.down_proj.weight_scale_second"), ElementsAre(" F32 [64,4]"));
}

TEST(CheckpointTensorsTest, Fa3ScalesWhereTheAttentionIsQuantised) {
  const Quantisation quantisation{.kind = CheckpointKind::kW8A8Mix, .fa3 = true};
  EXPECT_THAT(Module(quantisation, "model.layers.4.self_attn.fa_"),
              ElementsAre("q.scale BF16 [16,1]", "q.offset BF16 [16,1]", "k.scale BF16 [1,1]", "k.offset BF16 [1,1]",
                          "v.scale BF16 [1,1]", "v.offset BF16 [1,1]"));
  EXPECT_THAT(Module(quantisation, "model.layers.5.self_attn.fa_"), IsEmpty());
}

TEST(CheckpointTensorsTest, AntiOutlierNormsHaveASecondPair) {
  const auto pair = ElementsAre("weight BF16 [64]", "bias BF16 [64]");
  const Quantisation mix{.kind = CheckpointKind::kW8A8Mix, .norms = NormStyle::kAnti};
  EXPECT_THAT(Module(mix, "model.layers.0.input_layernorm.module."), pair);
  EXPECT_THAT(Module(mix, "model.layers.0.self_attn.q_a_layernorm.module."),
              ElementsAre("weight BF16 [24]", "bias BF16 [24]"));
  EXPECT_THAT(Module(mix, "model.layers.0.post_attention_layernorm.module."), IsEmpty());
  EXPECT_THAT(Module(mix, "model.layers.5.input_layernorm.module."), IsEmpty());
  const Quantisation w8a16{.kind = CheckpointKind::kW8A16, .norms = NormStyle::kAnti};
  EXPECT_THAT(Module(w8a16, "model.layers.0.post_attention_layernorm.module."), pair);
}

TEST(CheckpointTensorsTest, Fp8HasAScaleToABlock) {
  const Quantisation fp8{.kind = CheckpointKind::kFp8Block, .quantised_mtp = true};
  const Preset& small = *FindPreset("deepseek-v3-fp8-small");
  const auto map = ByName(CheckpointTensors(small.shape, small.quantisation));
  const auto expect = [&](const std::string& linear, const Shape& shape, const Shape& blocks) {
    EXPECT_EQ(map.at(linear + ".weight").dtype, Dtype::kF8E4M3) << linear;
    EXPECT_EQ(map.at(linear + ".weight").shape, shape) << linear;
    EXPECT_EQ(map.at(linear + ".weight_scale_inv").dtype, Dtype::kF32) << linear;
    EXPECT_EQ(map.at(linear + ".weight_scale_inv").shape, blocks) << linear;
  };
  expect("model.layers.0.self_attn.kv_a_proj_with_mqa", {96, 320}, {1, 3});
  expect("model.layers.0.self_attn.kv_b_proj", {288, 80}, {3, 1});
  expect("model.layers.0.mlp.down_proj", {320, 416}, {3, 4});
  expect("model.layers.2.mlp.experts.7.gate_proj", {136, 320}, {2, 3});
  expect("model.layers.3.mlp.shared_experts.up_proj", {136, 320}, {2, 3});
  for (const char* name : {"model.layers.3.eh_proj.weight", "model.layers.2.mlp.gate.weight", "lm_head.weight",
                           "model.layers.0.input_layernorm.weight", "model.layers.3.shared_head.head.weight"}) {
    EXPECT_EQ(map.at(name).dtype, Dtype::kBF16) << name;
  }
  EXPECT_THAT(Module(fp8, "model.layers.4.mlp.experts.3.down_proj."),
              ElementsAre("weight F8_E4M3 [64,32]", "weight_scale_inv F32 [1,1]"));
}

// DeepSeek-V3's published files hold so many elements of each dtype.
TEST(CheckpointTensorsTest, TrueScaleFp8HasThePublishedElements) {
  const Preset& preset = *FindPreset("deepseek-v3-fp8");
  std::map<Dtype, std::uint64_t> elements;
  const auto tensors = CheckpointTensors(preset.shape, preset.quantisation);
  for (const NewTensor& tensor : tensors) elements[tensor.dtype] += ElementCount(tensor.shape).value();
  EXPECT_THAT(elements, ElementsAre(Pair(Dtype::kF8E4M3, 680'571'043'840u), Pair(Dtype::kBF16, 3'918'786'560u),
                                    Pair(Dtype::kF32, 41'555'600u)));
  EXPECT_EQ(tensors.size(), 91'991u);
  EXPECT_EQ(TotalBytes(tensors), 688'574'839'360u);
  EXPECT_EQ(preset.files, 163u);
}

TEST(GroupSizeTest, IsAPowerOfTwoThatGivesTwoGroups) {
  EXPECT_EQ(GroupSize({}, FindPreset("tiny")->shape), 16u);
  EXPECT_EQ(GroupSize({}, FindPreset("deepseek-v3")->shape), 256u);
  EXPECT_EQ(GroupSize({.group_size = 7}, FindPreset("tiny")->shape), 7u);
}

TEST(ValidateQuantisationTest, NamesWhatContradicts) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  const auto message = [&](const Quantisation& quantisation) {
    return std::string(ValidateQuantisation(quantisation, shape).message());
  };
  for (const Preset& preset : Presets()) EXPECT_TRUE(ValidateQuantisation(preset.quantisation, preset.shape).ok());
  EXPECT_THAT(message({.fa3 = true}), ::testing::HasSubstr("attention is FLOAT"));
  EXPECT_THAT(message({.kind = CheckpointKind::kFp8Block, .fa3 = true}), ::testing::HasSubstr("attention is FP8"));
  EXPECT_THAT(message({.kind = CheckpointKind::kW8A16, .norms = NormStyle::kBiased}), ::testing::HasSubstr("W8A16"));
  EXPECT_THAT(message({.kind = CheckpointKind::kW8A8Dynamic, .norms = NormStyle::kAnti}),
              ::testing::HasSubstr("W8A8_DYNAMIC"));
  EXPECT_THAT(message({.kind = CheckpointKind::kW8A8, .deq_scale = Dtype::kI8}), ::testing::HasSubstr("I8"));
  EXPECT_THAT(message({.kind = CheckpointKind::kW4A8, .description_version = ""}),
              ::testing::HasSubstr("group_size 0"));
  EXPECT_THAT(message({.kind = CheckpointKind::kW4A8Group, .group_size = 48}), ::testing::HasSubstr("48"));
  shape.moe_intermediate = 31;
  EXPECT_THAT(message({.kind = CheckpointKind::kW4A8}), ::testing::HasSubstr("31"));
}

}  // namespace
}  // namespace shardfs::tools
