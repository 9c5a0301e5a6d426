// What the mindie layout shows beyond the golden cases: which ranks load what, options, ignored tensors, other models.
#include <cstring>

#include "layout/mindie/mindie_fixture.h"
#include "shardfs/base/checked_math.h"
#include "shardfs/tensor/cast_kernels.h"
#include "tools/tensor_content.h"

namespace shardfs::testing {
namespace {

class MindieLayoutTest : public MindieFixture {
 protected:
  // The bytes of one tensor of one folder.
  static std::vector<std::byte> Bytes(const VirtualTree& tree, const std::string& folder, const std::string& tensor,
                                      Shape* shape = nullptr) {
    NodeId id = 0;
    const VirtualNode* node = tree.FindChild(kRootNode, folder, &id);
    if (node == nullptr) return {};
    for (const NodeId child : node->children) {
      const VirtualFile& file = *tree.node(child).file;
      for (const FileTensor& entry : file.tensors()) {
        if (entry.name != tensor) continue;
        std::vector<std::byte> bytes(entry.end - entry.begin);
        EXPECT_TRUE(file.ReadAt(entry.begin, bytes).ok());
        if (shape != nullptr) *shape = entry.shape;
        return bytes;
      }
    }
    ADD_FAILURE() << tensor << " is not in " << folder;
    return {};
  }

  std::vector<std::byte> SourceBytes(const std::string& tensor, const Shape& shape) const {
    std::vector<std::byte> bytes(ElementCount(shape).value() * DtypeBytes(shape_.dtype));
    tools::ExpectedBytes({tensor, shape_.dtype, bytes.size(), 0}, tools::Fill::kDense, 0, bytes);
    return bytes;
  }

  static const RankSet& RanksOf(const VirtualTree& tree, const std::string& name) {
    return tree.FindChild(kRootNode, name, nullptr)->ranks;
  }
};

TEST_F(MindieLayoutTest, EachFolderIsLoadedByTheRanksThatTheReferenceGivesItTo) {
  const auto result = Build();
  ASSERT_TRUE(result.ok()) << result.status();
  const VirtualTree& tree = *result->tree;
  EXPECT_EQ(RanksOf(tree, "model-norm"), RankSet::All(4));
  EXPECT_EQ(RanksOf(tree, "model-attn-tp-001"), RankSet({1, 3}));
  EXPECT_EQ(RanksOf(tree, "model-dense-tp-000"), RankSet({0, 2}));
  EXPECT_EQ(RanksOf(tree, "model-moe-tp-001-ep-001"), RankSet({3}));
  EXPECT_EQ(RanksOf(tree, "model-002"), RankSet({2}));
  EXPECT_EQ(RanksOf(tree, "config.json"), RankSet::All(4));
  EXPECT_EQ(result->world_size, 4u);
}

TEST_F(MindieLayoutTest, EverySourceTensorIsUsedOrIgnoredWithAReason) {
  const auto without = Build();
  ASSERT_TRUE(without.ok());
  ASSERT_FALSE(without->ignored.empty());
  for (const IgnoredTensor& ignored : without->ignored) {
    EXPECT_TRUE(ignored.name.starts_with("model.layers." + std::to_string(shape_.layers) + ".")) << ignored.name;
    EXPECT_NE(ignored.reason.find("--mtp"), std::string::npos);
  }
  options_.mtp = true;
  const auto with = BuildWritten();
  ASSERT_TRUE(with.ok()) << with.status();
  ASSERT_EQ(with->ignored.size(), 2u);
  EXPECT_NE(with->ignored[0].reason.find("shares"), std::string::npos);
}

TEST_F(MindieLayoutTest, RotaryFrequenciesAreIgnored) {
  const auto result = Build([](auto* tensors) {
    tensors->push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", Dtype::kF32, {4}});
  });
  ASSERT_TRUE(result.ok()) << result.status();
  const bool found = std::any_of(result->ignored.begin(), result->ignored.end(),
                                 [](const IgnoredTensor& ignored) { return ignored.name.ends_with("inv_freq"); });
  EXPECT_TRUE(found);
}

TEST_F(MindieLayoutTest, ADenseLayerAboveTheSecondGoesToTheExpertsFolder) {
  shape_.first_k_dense = 4;
  shape_.layers = 5;
  const auto result = Build();
  ASSERT_TRUE(result.ok()) << result.status();
  const auto names = TensorsIn(*result->tree, "model-moe-tp-001-ep-000");
  EXPECT_NE(std::find(names.begin(), names.end(), "model.layers.3.mlp.down_proj.weight"), names.end());
  Shape shape;
  Bytes(*result->tree, "model-moe-tp-001-ep-000", "model.layers.3.mlp.down_proj.weight", &shape);
  EXPECT_EQ(shape, (Shape{shape_.hidden, shape_.intermediate / 2}));
}

TEST_F(MindieLayoutTest, AFloat16ModelStaysFloat16) {
  shape_.dtype = Dtype::kF16;
  const auto result = Build();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Bytes(*result->tree, "model-norm", "model.norm.weight"), SourceBytes("model.norm.weight", {shape_.hidden}));
}

TEST_F(MindieLayoutTest, TensorsOfAnotherFloatAreCastToTheModelsDtype) {
  const auto result = Build([](auto* tensors) { Named(tensors, "model.norm.weight").dtype = Dtype::kF32; });
  ASSERT_TRUE(result.ok()) << result.status();
  std::vector<std::byte> source(shape_.hidden * 4);
  tools::ExpectedBytes({"model.norm.weight", Dtype::kF32, source.size(), 0}, tools::Fill::kDense, 0, source);
  std::vector<std::byte> expected(shape_.hidden * 2);
  for (std::size_t i = 0; i < shape_.hidden; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, source.data() + 4 * i, 4);
    const std::uint16_t narrow = F32ToBF16(bits);
    std::memcpy(expected.data() + 2 * i, &narrow, 2);
  }
  EXPECT_EQ(Bytes(*result->tree, "model-norm", "model.norm.weight"), expected);
}

TEST_F(MindieLayoutTest, TheEmbeddingIsSplitByColumnsWithARowOfZeros) {
  const auto result = Build();
  ASSERT_TRUE(result.ok());
  Shape shape;
  const auto bytes = Bytes(*result->tree, "model-003", "model.embed_tokens.weight", &shape);
  EXPECT_EQ(shape, (Shape{shape_.vocab + 1, shape_.hidden / 2}));
  const auto source = SourceBytes("model.embed_tokens.weight", {shape_.vocab, shape_.hidden});
  const std::size_t row = shape_.hidden;  // bytes of half a row of two-byte elements
  for (std::size_t r = 0; r < shape_.vocab; ++r) {
    ASSERT_EQ(std::memcmp(bytes.data() + r * row, source.data() + r * 2 * row + row, row), 0) << r;
  }
  EXPECT_TRUE(std::all_of(bytes.end() - static_cast<std::ptrdiff_t>(row), bytes.end(),
                          [](std::byte b) { return b == std::byte{0}; }));
}

TEST_F(MindieLayoutTest, LmHeadIsSplitByTheWorldOrByTpWhenAsked) {
  const auto result = Build();
  ASSERT_TRUE(result.ok());
  Shape shape;
  Bytes(*result->tree, "model-001", "lm_head.weight", &shape);
  EXPECT_EQ(shape, (Shape{CeilDiv(shape_.vocab, 4), shape_.hidden}));
  options_.dp_partition_up = true;
  const auto partitioned = BuildWritten();
  ASSERT_TRUE(partitioned.ok());
  Bytes(*partitioned->tree, "model-001", "lm_head.weight", &shape);
  EXPECT_EQ(shape, (Shape{CeilDiv(shape_.vocab, 2), shape_.hidden}));
}

TEST_F(MindieLayoutTest, SharedExpertsAreSplitAsTheOptionsSay) {
  const auto columns = [&]() -> std::uint64_t {
    const auto result = Build();
    EXPECT_TRUE(result.ok()) << result.status();
    Shape shape;
    Bytes(*result->tree, "model-moe-tp-001-ep-001", "model.layers.3.mlp.shared_experts.down_proj.weight", &shape);
    return shape.at(1);
  };
  const std::uint64_t whole = shape_.moe_intermediate * shape_.shared_experts;
  EXPECT_EQ(columns(), whole / 4);
  options_.layout_options = {{"ep_level", "2"}};
  EXPECT_EQ(columns(), whole / 2);
  options_.layout_options = {{"enable_shared_expert_dp", "true"}};
  EXPECT_EQ(columns(), whole);
}

TEST_F(MindieLayoutTest, RouterRowsAreRotatedOnlyWithoutDataParallel) {
  const auto straight = Build();
  ASSERT_TRUE(straight.ok());
  const std::string router = "model.layers.3.mlp.gate.weight";
  const auto plain = Bytes(*straight->tree, "model-moe-tp-001-ep-001", router);

  options_.parallel = {.world_size = 4, .dp = 1, .tp = 4, .moe_tp = 2, .moe_ep = 2};
  options_.layout_options = {{"fidelity", "sharder"}};
  const auto rotated_result = BuildWritten();
  ASSERT_TRUE(rotated_result.ok()) << rotated_result.status();
  const auto rotated = Bytes(*rotated_result->tree, "model-moe-tp-001-ep-001", router);
  auto expected = plain;
  std::rotate(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(expected.size() / 2), expected.end());
  EXPECT_EQ(rotated, expected);
  EXPECT_EQ(Bytes(*rotated_result->tree, "model-moe-tp-001-ep-000", router), plain);

  options_.layout_options = {{"ep_level", "2"}};
  const auto level2 = BuildWritten();
  ASSERT_TRUE(level2.ok());
  EXPECT_EQ(Bytes(*level2->tree, "model-moe-tp-001-ep-001", router), plain);

  options_.layout_options = {{"fidelity", "loader"}};
  const auto loader = BuildWritten();
  ASSERT_TRUE(loader.ok());
  EXPECT_EQ(Bytes(*loader->tree, "model-moe-tp-001-ep-001", router), plain);
}

TEST_F(MindieLayoutTest, WithoutQLoraThereIsOneQueryProjection) {
  const std::string q_lora = "\"q_lora_rank\": " + std::to_string(shape_.q_lora_rank);
  const auto contradicting = Build([&](auto* tensors) {
    std::erase_if(*tensors, [](const NewTensor& tensor) { return tensor.name.find(".q_a_") != std::string::npos; });
    for (NewTensor& tensor : *tensors) {
      const std::size_t at = tensor.name.find("q_b_proj");
      if (at == std::string::npos) continue;
      tensor.name.replace(at, 8, "q_proj");
      tensor.shape[1] = shape_.hidden;
    }
  });
  EXPECT_FALSE(contradicting.ok());  // config.json still has the rank
  std::string config = ReadFile(std::filesystem::path(directory_) / "config.json");
  ASSERT_NE(config.find(q_lora), std::string::npos);
  config.replace(config.find(q_lora), q_lora.size(), "\"q_lora_rank\": null");
  std::ofstream(std::filesystem::path(directory_) / "config.json") << config;
  const auto lite = BuildWritten();
  ASSERT_TRUE(lite.ok()) << lite.status();
  const auto names = TensorsIn(*lite->tree, "model-attn-tp-000");
  EXPECT_NE(std::find(names.begin(), names.end(), "model.layers.0.self_attn.q_proj.weight"), names.end());
}

TEST_F(MindieLayoutTest, FilesAreSplitInStateDictOrder) {
  options_.max_shard_bytes = 20'000;
  const auto result = Build();
  ASSERT_TRUE(result.ok());
  const VirtualTree& tree = *result->tree;
  const VirtualNode& folder = *tree.FindChild(kRootNode, "model-attn-tp-000", nullptr);
  ASSERT_GT(folder.children.size(), 2u);
  EXPECT_TRUE(tree.node(folder.children[0]).name.starts_with("model-00001-of-000"));
  std::uint64_t last_layer = 0;
  for (const NodeId child : folder.children) {
    std::uint64_t lowest = ~std::uint64_t{0};
    std::uint64_t highest = 0;
    for (const FileTensor& tensor : tree.node(child).file->tensors()) {
      const std::uint64_t layer = std::stoull(tensor.name.substr(std::strlen("model.layers.")));
      lowest = std::min(lowest, layer);
      highest = std::max(highest, layer);
    }
    EXPECT_GE(lowest, last_layer);
    last_layer = highest;
  }
}

}  // namespace
}  // namespace shardfs::testing
