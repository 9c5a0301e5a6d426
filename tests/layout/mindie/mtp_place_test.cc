// What may be left out as the MTP layer, and what else is left out and said.
#include "layout/mindie/mindie_files.h"

namespace shardfs::testing {
namespace {

class MindieMtpPlace : public MindieFilesFixture {
 protected:
  std::string Layer(std::uint64_t index) const { return "model.layers." + std::to_string(index) + "."; }

  // config.json says one layer too few: the last decoder layer stands where the MTP layer would.
  Result<View> BuildOneLayerTooFew(const std::string& mtp_layers) {
    shape_.mtp_layers = 0;
    const auto good = Build();
    EXPECT_TRUE(good.ok()) << good.status();
    SetMember("config.json", "num_hidden_layers", std::to_string(shape_.layers - 1));
    if (mtp_layers.empty()) {
      RemoveMember("config.json", "num_nextn_predict_layers");
    } else {
      SetMember("config.json", "num_nextn_predict_layers", mtp_layers);
    }
    return BuildWritten();
  }
};

TEST_F(MindieMtpPlace, ADecoderLayerIsNotLeftOutAsTheMtpLayer) {
  const std::string last = std::to_string(shape_.layers - 1);
  for (const auto& [value, said] :
       {std::pair{"0", "\"num_nextn_predict_layers\": 0"}, std::pair{"1", "\"num_nextn_predict_layers\": 1"},
        std::pair{"null", "no \"num_nextn_predict_layers\""}, std::pair{"", "no \"num_nextn_predict_layers\""}}) {
    const auto result = BuildOneLayerTooFew(value);
    ExpectRefused(result, 3, "layer " + last + " is no MTP layer, because it has no eh_proj, no enorm, no hnorm",
                  "config.json has \"num_hidden_layers\": " + last + " and " + said);
    const std::string message(result.status().message());
    EXPECT_EQ(message.find("; '"), std::string::npos) << "one sentence for the layer: " << message;
  }
  EXPECT_FALSE(BuildOneLayerTooFew("1").ok());
  options_.mtp = true;
  ExpectRefused(BuildWritten(), 3, "the MTP layer was asked for", "layer " + last + " is no MTP layer");
}

TEST_F(MindieMtpPlace, OneLayerTooFewBeforeAnMtpLayerIsRefused) {
  ASSERT_TRUE(Build().ok());
  SetMember("config.json", "num_hidden_layers", std::to_string(shape_.layers - 1));
  const auto result = BuildWritten();
  ExpectRefused(result, 3, "layer " + std::to_string(shape_.layers - 1) + " is no MTP layer",
                "layer " + std::to_string(shape_.layers) + " is an MTP layer where config.json has none");
}

TEST_F(MindieMtpPlace, AnMtpLayerThatConfigJsonDeniesIsNotLeftOut) {
  ASSERT_TRUE(Build().ok());
  SetMember("config.json", "num_nextn_predict_layers", "0");
  ExpectRefused(BuildWritten(), 3,
                "layer " + std::to_string(shape_.layers) + " is an MTP layer where config.json has none",
                "\"num_nextn_predict_layers\": 0");
  options_.mtp = true;
  EXPECT_TRUE(BuildWritten().ok()) << "it is there, and it is asked for";
}

TEST_F(MindieMtpPlace, WithoutTheKeyAnMtpLayerIsLeftOutAndNamed) {
  const auto usual = Build();
  ASSERT_TRUE(usual.ok());
  EXPECT_TRUE(usual->warnings.empty());
  RemoveMember("config.json", "num_nextn_predict_layers");
  const auto result = BuildWritten();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(WarningsWith(*result, "'" + Layer(shape_.layers) + "eh_proj.weight'"), 1);
  EXPECT_EQ(result->ignored.size(), usual->ignored.size());
}

TEST_F(MindieMtpPlace, AnMtpLayerWithoutOneOfItsTensorsIsNotLeftOut) {
  for (const char* name : {"eh_proj", "enorm", "hnorm"}) {
    ExpectRefused(Build([&](auto* tensors) { Remove(tensors, Layer(shape_.layers) + name + ".weight"); }), 3,
                  "layer " + std::to_string(shape_.layers) + " is no MTP layer",
                  std::string("because it has no ") + name);
  }
}

TEST_F(MindieMtpPlace, ASecondMtpLayerIsLeftOutAndNamed) {
  shape_.mtp_layers = 2;
  options_.mtp = true;
  const auto result = Build();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(WarningsWith(*result, "MindIE loads one MTP layer only"), 1);
  EXPECT_EQ(WarningsWith(*result, "'" + Layer(shape_.layers + 1)), 1);
  options_.mtp = false;
  const auto without = BuildWritten();
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(WarningsWith(*without, "MTP layers are not asked for"), 1);
}

TEST_F(MindieMtpPlace, MoreRotaryFrequenciesThanLayersAreNamed) {
  const auto with = [&](std::uint64_t extra) {
    return Build([&](auto* tensors) {
      for (std::uint64_t layer = 0; layer < shape_.layers; ++layer)
        tensors->push_back({Layer(layer) + "self_attn.rotary_emb.inv_freq", Dtype::kF32, {4}});
      for (std::uint64_t i = 0; i < extra; ++i)
        tensors->push_back({"other." + std::to_string(i) + ".rotary_emb.inv_freq", Dtype::kF32, {4}});
    });
  };
  const auto usual = with(0);
  ASSERT_TRUE(usual.ok()) << usual.status();
  EXPECT_TRUE(usual->warnings.empty());
  const auto many = with(10);
  ASSERT_TRUE(many.ok()) << many.status();
  EXPECT_EQ(WarningsWith(*many, std::to_string(shape_.layers + 10) + " tensors of the source are left out"), 1);
}

TEST_F(MindieMtpPlace, NormBiasesThatAreLeftOutAreNamed) {
  quantisation_.kind = tools::CheckpointKind::kW8A8Dynamic;
  const auto result = Build([&](auto* tensors) {
    for (std::uint64_t layer = 0; layer < shape_.layers; ++layer)
      tensors->push_back({Layer(layer) + "input_layernorm.bias", Dtype::kBF16, {shape_.hidden}});
  });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(WarningsWith(*result, "this norm has no bias"), 1);
  EXPECT_EQ(WarningsWith(*result, "'model.layers.0.input_layernorm.bias'"), 1);
  EXPECT_EQ(WarningsWith(*result, "and " + std::to_string(shape_.layers - 3) + " more"), 1);
}

}  // namespace
}  // namespace shardfs::testing
