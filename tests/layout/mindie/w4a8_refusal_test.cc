// What the mindie layout refuses of W4A8_DYNAMIC experts: two elements to a byte, and scales of groups.
#include <algorithm>

#include "layout/mindie/mindie_fixture.h"

namespace shardfs::testing {
namespace {

constexpr const char* kExpert = "model.layers.3.mlp.experts.0";

class MindieW4A8Refusal : public MindieFixture {
 protected:
  MindieW4A8Refusal() {
    quantisation_.kind = tools::CheckpointKind::kW4A8;
    options_.layout_options = {{"fidelity", "sharder"}};
  }

  static std::string Of(const std::string& linear_and_suffix) { return std::string(kExpert) + "." + linear_and_suffix; }
};

TEST_F(MindieW4A8Refusal, LinearsThatAreNotOfRoutedExperts) {
  ExpectRefused(BuildWithConfig("\"quantize\": \"w8a8_dynamic\"", "\"quantize\": \"w4a8_dynamic\""), 3,
                "dense MLPs and shared experts are W8A8_DYNAMIC (the first: model.layers.0.mlp.gate_proj)",
                "\"quantize\" of config.json makes them \"w4a8_dynamic\"; set it to \"w8a8_dynamic\"");
}

TEST_F(MindieW4A8Refusal, AnOddNumberOfRows) {
  ExpectRefused(BuildWithConfig("\"moe_intermediate_size\": 32", "\"moe_intermediate_size\": 33"), 3,
                Of("gate_proj.weight") + " packs pairs of its 33 rows", "an odd number");
}

TEST_F(MindieW4A8Refusal, ScaleBiasesOfAnotherWidth) {
  ExpectRefused(Build([](auto* tensors) { Named(tensors, Of("down_proj.scale_bias")).shape[1] = 8; }), 3,
                Of("down_proj.scale_bias") + " is [64, 8]", "config.json makes it [64, 16]");
}

TEST_F(MindieW4A8Refusal, GroupsThatTheDescriptionAsksForAndThatAreNotThere) {
  quantisation_.kind = tools::CheckpointKind::kW4A8Group;
  ExpectRefused(Build([](auto* tensors) { Remove(tensors, Of("up_proj.weight_scale_second")); }), 3,
                Of("up_proj.weight_scale_second") + " is missing", "\"group_size\" of the description is not 0");
  ExpectRefused(Build([](auto* tensors) {
                  NewTensor& second = Named(tensors, Of("up_proj.weight_scale_second"));
                  second.shape = {second.shape[0] * second.shape[1]};
                }),
                3, Of("up_proj.weight_scale_second") + " has no two axes", "\"group_size\" of the description");
}

TEST_F(MindieW4A8Refusal, GroupsThatTheDescriptionDeniesAreIgnored) {
  const std::string name = Of("up_proj.weight_scale_second");
  const auto result = Build([&](auto* tensors) { tensors->push_back({name, Dtype::kF32, {32, 2}}); });
  ASSERT_TRUE(result.ok()) << result.status();
  const auto ignored = std::find_if(result->ignored.begin(), result->ignored.end(),
                                    [&](const IgnoredTensor& tensor) { return tensor.name == name; });
  ASSERT_NE(ignored, result->ignored.end());
  EXPECT_EQ(ignored->reason, "\"group_size\" of the description is 0");
}

// Gate and up have 18 pairs of rows each, padded to 5 a rank, which are 20 rows; their 36 scales need no padding.
TEST_F(MindieW4A8Refusal, RanksWhoseWeightsAndScalesWouldBeOfDifferentRows) {
  shape_.moe_intermediate = 36;
  options_.parallel = {.world_size = 4, .dp = 1, .tp = 4, .moe_tp = 4, .moe_ep = 1};
  ExpectRefused(Build(), 2, "split over 4 ranks, a rank's packed weights have 20 rows and its scales 18",
                "model.layers.3.mlp.gate_up_proj");
}

TEST_F(MindieW4A8Refusal, RanksThatWouldCutAGroup) {
  quantisation_.kind = tools::CheckpointKind::kW4A8Group;
  quantisation_.group_size = 32;
  shape_.moe_intermediate = 96;
  ExpectRefused(Build(), 2, Of("down_proj.weight_scale_second") + " has 3 groups", "which 2 ranks cannot share");
}

}  // namespace
}  // namespace shardfs::testing
