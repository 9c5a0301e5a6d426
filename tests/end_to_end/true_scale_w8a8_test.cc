// DeepSeek-R1 as the public W8A8 mix at true scale: 136,735 tensors in 164 files, 702 GB of holes with stamps.
// The places of the stamps in the view are worked out here from the rules, one element at a time.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "end_to_end/true_scale_mount.h"
#include "fuse/fuse_available.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kWorld = 16;
constexpr std::uint64_t kHidden = 7168, kExpertWidth = 2048, kDenseWidth = 18432, kHeads = 128;
constexpr std::uint64_t kLocalExperts = 256 / kMoeEp;
constexpr std::string_view kNegativeZero("\x00\x80", 2);  // 0.0 of a BF16 weight_offset, negated

// What a finite F32 is as BF16, to the nearest and in a tie to the even one.
std::string AsBF16(const std::string& f32) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, f32.data(), sizeof(bits));
  const auto rounded = static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
  std::string bytes(sizeof(rounded), '\0');
  std::memcpy(bytes.data(), &rounded, sizeof(rounded));
  return bytes;
}

SourceMatrix Weight(const std::string& linear, std::uint64_t rows, std::uint64_t columns) {
  return {linear + ".weight", Dtype::kI8, rows, columns};
}
SourceMatrix Scale(const std::string& linear, std::uint64_t rows) {
  return {linear + ".weight_scale", Dtype::kF32, rows, 1};
}

void ExpectTensor(const Place& place, Dtype dtype, const Shape& shape) {
  EXPECT_EQ(place.tensor.dtype, dtype) << place.tensor.name;
  EXPECT_EQ(place.tensor.shape, shape) << place.tensor.name;
}

class TrueScaleW8A8 : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!FuseAvailable()) return;
    mount_ = std::make_unique<TrueScaleMount>("deepseek-r1-w8a8");
    ASSERT_TRUE(mount_->mounted());
  }
  static void TearDownTestSuite() { mount_.reset(); }

  // W8A8_DYNAMIC gate_up_proj of a dense MLP or shared expert, cut into folders.size() parts.
  static void ExpectGateUp(const std::vector<const std::map<std::string, Place>*>& folders, const std::string& prefix,
                           std::uint64_t width) {
    const std::uint64_t local = width / folders.size();
    for (const bool up : {false, true}) {
      const std::string linear = prefix + (up ? "up_proj" : "gate_proj");
      const auto out_row = [&](std::uint64_t row) { return (up ? local : 0) + row % local; };
      const SourceMatrix weight = Weight(linear, width, kHidden);
      weight.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
        const Place& place = folders[row / local]->at(prefix + "gate_up_proj.weight");
        ExpectTensor(place, Dtype::kI8, {2 * local, kHidden});
        ExpectElement(place, out_row(row) * kHidden + column, weight.Element(row, column), weight.name);
      });
      const SourceMatrix scale = Scale(linear, width);
      scale.ForSomeElements([&](std::uint64_t row, std::uint64_t) {
        const Place& place = folders[row / local]->at(prefix + "gate_up_proj.weight_scale");
        ExpectTensor(place, Dtype::kBF16, {2 * local});
        ExpectElement(place, out_row(row), AsBF16(scale.Element(row)), scale.name);
        ExpectElement(folders[row / local]->at(prefix + "gate_up_proj.weight_offset"), out_row(row), kNegativeZero,
                      linear);
      });
    }
  }

  static std::unique_ptr<TrueScaleMount> mount_;
};

std::unique_ptr<TrueScaleMount> TrueScaleW8A8::mount_;

TEST_F(TrueScaleW8A8, HasFiveFilesInEachExpertFolder) {
  SHARDFS_REQUIRE_FUSE();
  EXPECT_EQ(mount_->written().tensors, 136'735u);
  EXPECT_EQ(mount_->written().files, 164u);
  EXPECT_EQ(mount_->written().apparent_bytes / 1'000'000'000, 702u);
  EXPECT_LT(mount_->mount_seconds(), kMaxMountOverHeaders * mount_->header_seconds());
  mount_->ExpectFolders(5);
  // In thousandths of 10^9 bytes. (spec/mindie-weight-sharder.md, section 4.4)
  constexpr std::uint64_t kMegabytes[] = {9797, 9566, 9789, 9566, 4282};
  for (std::size_t i = 0; i < std::size(kMegabytes); ++i) {
    const auto path =
        mount_->path() / "model-moe-tp-003-ep-002" / ("model-0000" + std::to_string(i + 1) + "-of-00005.safetensors");
    EXPECT_NEAR(static_cast<double>(fs::file_size(path)) / 1e6, static_cast<double>(kMegabytes[i]), 1.0) << path;
  }
  EXPECT_TRUE(fs::exists(mount_->path() / "quant_model_description_w8a8_dynamic.json"));
}

TEST_F(TrueScaleW8A8, RoutedExpertsHaveScalesAndNegatedOffsets) {
  SHARDFS_REQUIRE_FUSE();
  constexpr std::uint64_t kLocal = kExpertWidth / kMoeTp;
  std::mt19937_64 random(7);
  for (std::uint64_t ep = 0; ep < kMoeEp; ++ep) {
    const auto folders = mount_->TensorsOfExperts(ep);
    for (int i = 0; i < 5; ++i) {
      const std::string mlp = "model.layers." + std::to_string(3 + random() % 58) + ".mlp.";
      const std::uint64_t expert = random() % kLocalExperts;
      const std::string source = mlp + "experts." + std::to_string(ep * kLocalExperts + expert) + ".";
      for (const bool up : {false, true}) {
        const std::string linear = source + (up ? "up_proj" : "gate_proj");
        const auto out_row = [&](std::uint64_t row) { return expert * 2 * kLocal + (up ? kLocal : 0) + row % kLocal; };
        const SourceMatrix weight = Weight(linear, kExpertWidth, kHidden);
        weight.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
          const Place& place = folders[row / kLocal].at(mlp + "gate_up_proj.weight");
          ExpectTensor(place, Dtype::kI8, {kLocalExperts, 2 * kLocal, kHidden});
          ExpectElement(place, out_row(row) * kHidden + column, weight.Element(row, column), weight.name);
        });
        const SourceMatrix scale = Scale(linear, kExpertWidth);
        scale.ForSomeElements([&](std::uint64_t row, std::uint64_t) {
          const Place& place = folders[row / kLocal].at(mlp + "gate_up_proj.weight_scale");
          ExpectTensor(place, Dtype::kBF16, {kLocalExperts, 2 * kLocal, 1});
          ExpectElement(place, out_row(row), AsBF16(scale.Element(row)), scale.name);
          const Place& offset = folders[row / kLocal].at(mlp + "gate_up_proj.weight_offset");
          ExpectTensor(offset, Dtype::kBF16, {kLocalExperts, 2 * kLocal, 1});
          ExpectElement(offset, out_row(row), kNegativeZero, linear);
        });
      }
      const SourceMatrix down = Weight(source + "down_proj", kHidden, kExpertWidth);
      down.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
        const Place& place = folders[column / kLocal].at(mlp + "down_proj.weight");
        ExpectTensor(place, Dtype::kI8, {kLocalExperts, kHidden, kLocal});
        ExpectElement(place, (expert * kHidden + row) * kLocal + column % kLocal, down.Element(row, column), down.name);
      });
      const SourceMatrix scale = Scale(source + "down_proj", kHidden);
      scale.ForSomeElements([&](std::uint64_t row, std::uint64_t) {
        for (const auto& folder : folders) {  // every rank has the whole scale of its columns' rows
          const Place& place = folder.at(mlp + "down_proj.weight_scale");
          ExpectTensor(place, Dtype::kBF16, {kLocalExperts, kHidden, 1});
          ExpectElement(place, expert * kHidden + row, AsBF16(scale.Element(row)), scale.name);
          ExpectElement(folder.at(mlp + "down_proj.weight_offset"), expert * kHidden + row, kNegativeZero, scale.name);
        }
      });
    }
  }
}

TEST_F(TrueScaleW8A8, MtpExpertsAreFloat) {
  SHARDFS_REQUIRE_FUSE();
  constexpr std::uint64_t kLocal = kExpertWidth / kMoeTp;
  const auto folders = mount_->TensorsOfExperts(1);
  const SourceMatrix up{"model.layers.61.mlp.experts.70.up_proj.weight", Dtype::kBF16, kExpertWidth, kHidden};
  up.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
    const Place& place = folders[row / kLocal].at("model.layers.61.mlp.gate_up_proj.weight");
    ExpectTensor(place, Dtype::kBF16, {kLocalExperts, 2 * kLocal, kHidden});
    ExpectElement(place, (6 * 2 * kLocal + kLocal + row % kLocal) * kHidden + column, up.Element(row, column), up.name);
  });
  EXPECT_FALSE(folders[0].contains("model.layers.61.mlp.gate_up_proj.weight_scale"));
}

TEST_F(TrueScaleW8A8, DenseAndSharedMlpsHaveFlatScales) {
  SHARDFS_REQUIRE_FUSE();
  const auto dense = mount_->TensorsOfRanks("dense");
  std::vector<const std::map<std::string, Place>*> folders;
  for (const auto& folder : dense) folders.push_back(&folder);
  for (const char* layer : {"0", "2"}) {
    ExpectGateUp(folders, std::string("model.layers.") + layer + ".mlp.", kDenseWidth);
  }
  // Shared experts are cut by the whole world; global rank r is the moe_tp rank r % 4 of the moe_ep rank r / 4.
  std::vector<std::vector<std::map<std::string, Place>>> experts;
  for (std::uint64_t ep = 0; ep < kMoeEp; ++ep) experts.push_back(mount_->TensorsOfExperts(ep));
  folders.clear();
  for (std::uint64_t rank = 0; rank < kWorld; ++rank) folders.push_back(&experts[rank / kMoeTp][rank % kMoeTp]);
  for (const char* layer : {"3", "60"}) {
    ExpectGateUp(folders, std::string("model.layers.") + layer + ".mlp.shared_experts.", kExpertWidth);
  }
}

// q_b_proj and kv_a_proj_with_mqa: the rows of deq_scale and quant_bias are permuted as those of the weight are.
TEST_F(TrueScaleW8A8, ColumnParallelAttentionPermutesItsCompanions) {
  SHARDFS_REQUIRE_FUSE();
  constexpr std::uint64_t kHeadRows = 192, kRope = 64, kKvRows = 576, kQRank = 1536;
  constexpr std::uint64_t kLocalRows = kHeads / kTp * kHeadRows;
  const auto folders = mount_->TensorsOfRanks("attn");
  for (const char* layer : {"0", "29", "60"}) {
    const std::string attention = std::string("model.layers.") + layer + ".self_attn.";
    const std::string q_b = attention + "q_b_proj";
    const auto q_b_row = [&](std::uint64_t row) {
      return (row / kHeadRows * kHeadRows + RopeRow(row % kHeadRows, kHeadRows, kRope)) % kLocalRows;
    };
    const SourceMatrix weight = Weight(q_b, kHeads * kHeadRows, kQRank);
    weight.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
      ExpectElement(folders[row / kLocalRows].at(weight.name), q_b_row(row) * kQRank + column,
                    weight.Element(row, column), weight.name);
    });
    const std::string kv_a = attention + "kv_a_proj_with_mqa";
    const std::pair<const char*, Dtype> companions[] = {{".deq_scale", Dtype::kF32}, {".quant_bias", Dtype::kI32}};
    for (const auto& [companion, dtype] : companions) {
      const SourceMatrix of_q_b{q_b + companion, dtype, kHeads * kHeadRows};
      of_q_b.ForSomeElements([&](std::uint64_t row, std::uint64_t) {
        const Place& place = folders[row / kLocalRows].at(of_q_b.name);
        ExpectTensor(place, of_q_b.dtype, {kLocalRows});
        ExpectElement(place, q_b_row(row), of_q_b.Element(row), of_q_b.name);
      });
      const SourceMatrix of_kv_a{kv_a + companion, dtype, kKvRows};
      of_kv_a.ForSomeElements([&](std::uint64_t row, std::uint64_t) {
        for (const auto& folder : folders) {
          ExpectTensor(folder.at(of_kv_a.name), of_kv_a.dtype, {kKvRows});
          ExpectElement(folder.at(of_kv_a.name), RopeRow(row, kKvRows, kRope), of_kv_a.Element(row), of_kv_a.name);
        }
      });
    }
    for (const auto& folder : folders) {
      const SourceMatrix input_scale{q_b + ".input_scale", Dtype::kBF16, 1};
      ExpectTensor(folder.at(input_scale.name), Dtype::kBF16, {1});
      ExpectElement(folder.at(input_scale.name), 0, input_scale.Element(0), input_scale.name);
      ExpectTensor(folder.at(q_b + ".input_offset"), Dtype::kI8, {1});
      ExpectElement(folder.at(q_b + ".input_offset"), 0, std::string(1, '\0'), q_b);
    }
  }
  EXPECT_FALSE(folders[0].contains("model.layers.61.self_attn.q_b_proj.deq_scale"));
}

// The partial sums of o_proj are added up over the ranks: only one of them may add the bias.
TEST_F(TrueScaleW8A8, RowParallelBiasIsZeroAwayFromTheFirstRank) {
  SHARDFS_REQUIRE_FUSE();
  constexpr std::uint64_t kLocalColumns = kHeads * 128 / kTp;
  const auto folders = mount_->TensorsOfRanks("attn");
  for (const char* layer : {"0", "43", "60"}) {
    const std::string o = std::string("model.layers.") + layer + ".self_attn.o_proj";
    const SourceMatrix weight = Weight(o, kHidden, kHeads * 128);
    weight.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
      ExpectElement(folders[column / kLocalColumns].at(weight.name), row * kLocalColumns + column % kLocalColumns,
                    weight.Element(row, column), weight.name);
    });
    const SourceMatrix deq_scale{o + ".deq_scale", Dtype::kF32, kHidden};
    const SourceMatrix quant_bias{o + ".quant_bias", Dtype::kI32, kHidden};
    for (std::size_t rank = 0; rank < folders.size(); ++rank) {
      deq_scale.ForSomeElements([&](std::uint64_t row, std::uint64_t) {
        ExpectElement(folders[rank].at(deq_scale.name), row, deq_scale.Element(row), deq_scale.name);
      });
      quant_bias.ForSomeElements([&](std::uint64_t row, std::uint64_t) {
        const std::string expected = rank == 0 ? quant_bias.Element(row) : std::string(4, '\0');
        ExpectElement(folders[rank].at(quant_bias.name), row, expected, quant_bias.name);
      });
    }
  }
}

TEST_F(TrueScaleW8A8, NormsOfQuantisedLayersHaveBiases) {
  SHARDFS_REQUIRE_FUSE();
  const auto norms = TensorsOfFolder(mount_->path() / "model-norm");
  for (const char* layer : {"0", "31", "60"}) {
    const SourceMatrix bias{std::string("model.layers.") + layer + ".input_layernorm.bias", Dtype::kBF16, kHidden};
    bias.ForSomeElements([&](std::uint64_t row, std::uint64_t) {
      ExpectElement(norms.at(bias.name), row, bias.Element(row), bias.name);
    });
    EXPECT_TRUE(norms.contains(std::string("model.layers.") + layer + ".self_attn.q_a_layernorm.bias"));
  }
  EXPECT_FALSE(norms.contains("model.layers.61.input_layernorm.bias"));
  EXPECT_FALSE(norms.contains("model.layers.0.post_attention_layernorm.bias"));
}

}  // namespace
}  // namespace shardfs::testing
