// F17 and F18: sizes that do not fit the model, and checkpoints that are not whole. Refused before anything is shown,
// with the two sides, or the names, that disagree.
#include <gmock/gmock.h>

#include "layout/mindie/mindie_fixture.h"
#include "layout/mindie/mindie_mapping.h"

namespace shardfs::testing {
namespace {

using ::testing::HasSubstr;

class FaultF17 : public MindieFixture {
 protected:
  // What a good checkpoint says to these sizes.
  void ExpectSizesRefused(const ParallelConfig& sizes, const std::string& first, const std::string& second) {
    options_.parallel = {.dp = 2, .tp = 2, .moe_tp = 2, .moe_ep = 2};
    ASSERT_TRUE(Build().ok());
    options_.parallel = sizes;
    ExpectRefused(BuildWritten(), 2, first, second);
  }
};

TEST_F(FaultF17, TpThatDoesNotDivideTheHeads) {
  ExpectSizesRefused({.world_size = 3, .tp = 3, .moe_tp = 3}, "tp is 3", std::to_string(shape_.heads));
}

TEST_F(FaultF17, MoreExpertParallelRanksThanExperts) {
  const auto ranks = static_cast<std::int64_t>(shape_.experts) * 2;
  ExpectSizesRefused({.dp = ranks, .tp = 1, .moe_tp = 1, .moe_ep = ranks}, "moe_ep is " + std::to_string(ranks),
                     "n_routed_experts " + std::to_string(shape_.experts));
}

TEST_F(FaultF17, AWorldOfAnotherSizeThanItsParts) {
  ExpectSizesRefused({.world_size = 8, .dp = 2, .tp = 2, .moe_tp = 2, .moe_ep = 2}, "tp 2 * dp 2", "world size is 8");
  ExpectSizesRefused({.world_size = 4, .dp = 2, .tp = 2, .moe_tp = 2, .moe_ep = 4}, "moe_ep 4", "world size is 4");
}

TEST_F(FaultF17, AVocabularyOfAnotherSizeThanTheEmbedding) {
  const std::string vocabulary = std::to_string(shape_.vocab);
  ExpectRefused(BuildWithConfig("\"vocab_size\": " + vocabulary, "\"vocab_size\": 1" + vocabulary), 3,
                "[" + vocabulary + ", ", "[1" + vocabulary + ", ");
}

class FaultF18 : public MindieFixture {
 protected:
  static constexpr const char* kExpert = "model.layers.3.mlp.experts.1.down_proj.weight";
};

TEST_F(FaultF18, AMissingShard) {
  ASSERT_TRUE(Build().ok());
  const std::filesystem::path shard = std::filesystem::path(directory_) / "model-00002-of-00002.safetensors";
  ASSERT_TRUE(std::filesystem::remove(shard));
  ExpectRefused(BuildWritten(), 3, "'model-00002-of-00002.safetensors'", "missing");
}

TEST_F(FaultF18, AMissingShardWithoutAnIndex) {
  ASSERT_TRUE(Build().ok());
  std::filesystem::remove(std::filesystem::path(directory_) / "model-00002-of-00002.safetensors");
  std::filesystem::remove(std::filesystem::path(directory_) / "model.safetensors.index.json");
  ExpectRefused(BuildWritten(), 3, "is missing", " more");
}

TEST_F(FaultF18, AMissingTensorOfOneExpert) {
  ExpectRefused(Build([](auto* tensors) { Remove(tensors, kExpert); }), 3, kExpert, "missing");
}

TEST_F(FaultF18, AMissingScaleOfAQuantisedWeight) {
  quantisation_.kind = tools::CheckpointKind::kW8A8Mix;
  options_.layout_options = {{"fidelity", "sharder"}};
  const std::string scale = "model.layers.3.mlp.experts.1.down_proj.weight_scale";
  ExpectRefused(Build([&](auto* tensors) { Remove(tensors, scale); }), 3, scale, "missing");
}

TEST_F(FaultF18, ATensorInTwoShards) {
  ASSERT_TRUE(Build().ok());
  const std::filesystem::path shard = std::filesystem::path(directory_) / "model-00002-of-00002.safetensors";
  std::filesystem::copy_file(shard, std::filesystem::path(directory_) / "copy.safetensors");
  ExpectRefused(BuildWritten(), 3, "stands in 'copy.safetensors' and in 'model-00002-of-00002.safetensors'",
                "tensor '");
}

TEST_F(FaultF18, AnUnknownTensor) {
  ExpectRefused(Build([](auto* tensors) {
                  tensors->push_back({"model.layers.0.adapter.weight", Dtype::kBF16, {4}});
                }),
                3, "model.layers.0.adapter.weight", "not a tensor of this model");
}

TEST_F(FaultF18, OfManyMissingTensorsTenAreNamed) {
  const auto result = Build([](auto* tensors) {
    std::erase_if(*tensors, [](const NewTensor& tensor) { return tensor.name.find("up_proj") != std::string::npos; });
  });
  ASSERT_FALSE(result.ok());
  const std::string message(result.status().message());
  std::size_t named = 0;
  for (std::size_t at = 0; (at = message.find("up_proj", at)) != std::string::npos; ++at) ++named;
  EXPECT_EQ(named, 10u) << message;
  EXPECT_THAT(message, HasSubstr(" more"));
}

}  // namespace
}  // namespace shardfs::testing
