// What the mindie layout refuses of quantised checkpoints: companions that are missing or wrong, descriptions that
// contradict the tensors, kinds that cannot be packed.
#include "layout/mindie/mindie_fixture.h"

namespace shardfs::testing {
namespace {

class MindieQuantisedRefusal : public MindieFixture {
 protected:
  MindieQuantisedRefusal() {
    quantisation_.kind = tools::CheckpointKind::kW8A8Mix;
    options_.layout_options = {{"fidelity", "sharder"}};
  }

  // The layout over a good checkpoint whose description has `from` replaced by `to`.
  Result<View> BuildWithDescription(const std::string& from, const std::string& to) {
    const auto good = Build();
    EXPECT_TRUE(good.ok()) << good.status();
    const auto path = std::filesystem::path(directory_) / tools::DescriptionFileName(quantisation_);
    std::string text = ReadFile(path);
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    std::ofstream(path) << text;
    return BuildWritten();
  }
};

constexpr const char* kLinear = "model.layers.0.mlp.up_proj";
constexpr const char* kAttention = "model.layers.0.self_attn.o_proj";

TEST_F(MindieQuantisedRefusal, AMissingCompanion) {
  ExpectRefused(Build([](auto* tensors) { Remove(tensors, std::string(kLinear) + ".weight_scale"); }), 3,
                std::string(kLinear) + ".weight_scale", "missing");
  ExpectRefused(Build([](auto* tensors) { Remove(tensors, std::string(kAttention) + ".quant_bias"); }), 3,
                std::string(kAttention) + ".quant_bias", "missing");
}

TEST_F(MindieQuantisedRefusal, ACompanionOfAnotherShapeOrDtype) {
  ExpectRefused(Build([](auto* tensors) {
                  Named(tensors, std::string(kLinear) + ".weight_offset").shape = {3, 1};
                }),
                3, std::string(kLinear) + ".weight_offset is [3, 1]", "config.json makes it");
  ExpectRefused(
      Build([](auto* tensors) { Named(tensors, std::string(kAttention) + ".quant_bias").dtype = Dtype::kF32; }), 3,
      std::string(kAttention) + ".quant_bias is F32", "must be I32");
}

TEST_F(MindieQuantisedRefusal, ACompanionThatNoWeightHas) {
  ExpectRefused(Build([](auto* tensors) {
                  tensors->push_back({"model.layers.0.self_attn.kv_b_proj.deq_scale", Dtype::kF32, {4}});
                }),
                3, "kv_b_proj.deq_scale", "not a tensor of this model");
}

TEST_F(MindieQuantisedRefusal, ADescriptionThatContradictsTheTensors) {
  const std::string line = std::string("\"") + kLinear + ".weight\": ";
  ExpectRefused(BuildWithDescription(line + "\"W8A8_DYNAMIC\"", line + "\"FLOAT\""), 3, "FLOAT", "W8A8_DYNAMIC");
}

TEST_F(MindieQuantisedRefusal, ADescriptionThatLeavesOutWhatDecidesTheNorms) {
  const std::string line = std::string("\"") + kAttention + ".weight\"";
  ExpectRefused(BuildWithDescription(line, "\"something.else\""), 3, "does not say what",
                std::string(kAttention) + ".weight");
}

TEST_F(MindieQuantisedRefusal, ADescriptionThatIsNoJson) {
  ExpectRefused(BuildWithDescription("{", "["), 3, tools::DescriptionFileName(quantisation_), "not valid JSON at line ");
}

TEST_F(MindieQuantisedRefusal, ADescriptionThatIsALinkToNowhere) {
  ASSERT_TRUE(Build().ok());
  const auto path = std::filesystem::path(directory_) / tools::DescriptionFileName(quantisation_);
  std::filesystem::remove(path);
  std::filesystem::create_symlink("../blobs/0123", path);
  ExpectRefused(BuildWritten(), 3, "is a link to '../blobs/0123'", tools::DescriptionFileName(quantisation_));
}

TEST_F(MindieQuantisedRefusal, AQuantisedKvB) {
  ExpectRefused(
      Build([](auto* tensors) { Named(tensors, "model.layers.0.self_attn.kv_b_proj.weight").dtype = Dtype::kI8; }), 3,
      "kv_b_proj.weight", "as a float");
}

TEST_F(MindieQuantisedRefusal, GateAndUpOfTwoKinds) {
  ExpectRefused(Build([](auto* tensors) {
                  Named(tensors, std::string(kLinear) + ".weight").dtype = Dtype::kBF16;
                  Remove(tensors, std::string(kLinear) + ".weight_scale");
                  Remove(tensors, std::string(kLinear) + ".weight_offset");
                }),
                3, "packed into one tensor", "FLOAT");
}

// deq_scale keeps the source's dtype in a BF16 model, so gate and up must have the same.
TEST_F(MindieQuantisedRefusal, DeqScalesOfTwoDtypesThatArePacked) {
  quantisation_.kind = tools::CheckpointKind::kW8A8;
  ASSERT_TRUE(Build().ok());
  ExpectRefused(Build([](auto* tensors) { Named(tensors, std::string(kLinear) + ".deq_scale").dtype = Dtype::kBF16; }),
                3, "gate_proj.deq_scale is F32", std::string(kLinear) + ".deq_scale is BF16");
}

TEST_F(MindieQuantisedRefusal, AnExpertOfAnotherKindThanTheFirst) {
  ExpectRefused(Build([](auto* tensors) {
                  for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
                    const std::string linear = std::string("model.layers.3.mlp.experts.5.") + name;
                    Named(tensors, linear + ".weight").dtype = Dtype::kBF16;
                    Remove(tensors, linear + ".weight_scale");
                    Remove(tensors, linear + ".weight_offset");
                  }
                }),
                3, "model.layers.3.mlp.experts.5 is of another weight kind than expert 0", "stacked into one tensor");
}

TEST_F(MindieQuantisedRefusal, ADescriptionThatIsNoObjectOrTooLarge) {
  ASSERT_TRUE(Build().ok());
  const auto path = std::filesystem::path(directory_) / tools::DescriptionFileName(quantisation_);
  std::ofstream(path) << "\"W8A8\"";
  ExpectRefused(BuildWritten(), 3, tools::DescriptionFileName(quantisation_), "not a JSON object");
  std::filesystem::resize_file(path, (100u << 20) + 1);
  ExpectRefused(BuildWritten(), 3, tools::DescriptionFileName(quantisation_), "104857600");
}

TEST_F(MindieQuantisedRefusal, ADescriptionWhoseKindIsNoString) {
  for (const auto& [linear, kind] : {std::pair{kAttention, "\"W8A8\""}, std::pair{kLinear, "\"W8A8_DYNAMIC\""}}) {
    const std::string line = std::string("\"") + linear + ".weight\": ";
    ExpectRefused(BuildWithDescription(line + kind, line + "8"), 3,
                  "gives " + std::string(linear) + ".weight a kind that is no string",
                  tools::DescriptionFileName(quantisation_));
  }
}

TEST_F(MindieQuantisedRefusal, FloatScalesOfF16ExpertsThatNoDirectoryGetsIntoTheLoader) {
  shape_.dtype = Dtype::kF16;
  quantisation_.kind = tools::CheckpointKind::kW8A8;
  quantisation_.deq_scale = Dtype::kF32;
  options_.layout_options = {{"fidelity", "loader"}};
  ExpectRefused(Build(), 3, "layer 3 has W8A8 experts with a float deq_scale in an F16 model", "fidelity=sharder");
  quantisation_.deq_scale = Dtype::kI64;
  EXPECT_TRUE(Build().ok());
}

// 1 / fa_q.scale is what is stored, so the loader cannot tell ones from a layer without FA3.
TEST_F(MindieQuantisedRefusal, AnFa3ScaleOfOnesOnARank) {
  quantisation_.fa3 = true;
  options_.layout_options = {{"fidelity", "loader"}};
  ASSERT_TRUE(Build().ok());
  {
    const Result<CheckpointPtr> checkpoint = OpenSource(directory_);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    const char* const name = "model.layers.1.self_attn.fa_q.scale";
    const SourceSpan scale = PlaceOf(**checkpoint, name);
    ASSERT_NE(scale.source, nullptr);
    ASSERT_EQ((*checkpoint)->Find(name)->dtype, Dtype::kBF16);
    std::fstream file(std::filesystem::path(directory_) / scale.source->name(),
                      std::ios::in | std::ios::out | std::ios::binary);
    // The second rank's share of the heads.
    file.seekp(static_cast<std::streamoff>(scale.offset + shape_.heads / 2 * 2));
    for (std::uint64_t head = 0; head < shape_.heads / 2; ++head) file.write("\x80\x3f", 2);
    ASSERT_TRUE(file.good());
  }
  ExpectRefused(BuildWritten(), 3, "layer 1 has an fa_q.scale of ones on a rank", "a layer without FA3");
  options_.layout_options = {{"fidelity", "sharder"}};
  EXPECT_TRUE(BuildWritten().ok());
}

}  // namespace
}  // namespace shardfs::testing
