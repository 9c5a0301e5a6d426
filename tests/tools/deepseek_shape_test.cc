#include "tools/deepseek_shape.h"

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
TEST(FloatTensorsTest, TinyIsTheGoldenCasesSource) {
  const auto source = std::filesystem::path(SHARDFS_TESTS_DIR) / "golden/mindie/bf16_dp2tp2_mtp2ep2/source";
  const auto tensors = FloatTensors(FindPreset("tiny")->shape);

  const auto index = nlohmann::ordered_json::parse(ReadFile(source / "model.safetensors.index.json"));
  std::vector<std::string> golden_names;
  for (const auto& [name, file] : index["weight_map"].items()) golden_names.push_back(name);
  std::vector<std::string> names;
  for (const NewTensor& tensor : tensors) names.push_back(tensor.name);
  EXPECT_EQ(names, golden_names);

  const auto map = ByName(tensors);
  for (const char* name : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    const std::string file = ReadFile(source / name);
    const auto bytes = std::as_bytes(std::span(file));
    const auto header =
        ParseHeader(bytes.first(HeaderExtent(bytes.first(8), bytes.size()).value()), bytes.size(), name);
    ASSERT_TRUE(header.ok()) << header.status();
    for (const HeaderTensor& tensor : header->tensors) {
      EXPECT_EQ(map.at(tensor.name).dtype, tensor.dtype) << tensor.name;
      EXPECT_EQ(map.at(tensor.name).shape, tensor.shape) << tensor.name;
    }
  }
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

TEST(ValidateShapeTest, AcceptsPresets) {
  for (const Preset& preset : Presets()) EXPECT_TRUE(ValidateShape(preset.shape).ok()) << preset.name;
}

TEST(ValidateShapeTest, NamesTheSizeThatIsWrong) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  shape.kv_lora_rank = 0;
  EXPECT_EQ(ValidateShape(shape).code(), StatusCode::kInvalidArgument);
  EXPECT_NE(ValidateShape(shape).message().find("kv_lora_rank is 0"), std::string::npos);

  shape = FindPreset("tiny")->shape;
  shape.first_k_dense = 6;
  EXPECT_NE(ValidateShape(shape).message().find("first_k_dense is 6, more than the 5 layers"), std::string::npos);

  shape = FindPreset("tiny")->shape;
  shape.dtype = Dtype::kF32;
  EXPECT_EQ(ValidateShape(shape).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shardfs::tools
