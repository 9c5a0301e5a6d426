// Qwen3-235B-A22B and DeepSeek-V3 at true scale, sparse, as vLLM's sharded_state: the mount takes a few times what the
// headers of the source take, and the stamps of the source are where the rules put them, worked out one element at a
// time.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>

#include "end_to_end/true_scale_mount.h"
#include "fuse/fuse_available.h"
#include "tools/model_presets.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

// What the daemon may take at most is 250 MB; a test beside others allows twice that.
constexpr std::uint64_t kMaxDaemonBytes = 500'000'000;

// A checkpoint of true scale and its mount for `tp` ranks.
class ShardedStateMount {
 public:
  ShardedStateMount(std::uint64_t tp, const std::function<void(const std::string&)>& write) : tp_(tp) {
    write(source_);
    if (::testing::Test::HasFailure()) return;
    mount_ = std::make_unique<MountedProgram>(
        source_,
        std::vector<std::string>{"--layout", "sharded-state", "--engine-version", "0.26", "--tp", std::to_string(tp)});
    EXPECT_EQ(mount_->result().exit_code, 0) << mount_->result().err;
    for (std::uint64_t rank = 0; rank < tp && mount_->result().exit_code == 0; ++rank)
      ranks_.push_back(TensorsOfRank(rank));
  }

  bool mounted() const { return mount_ != nullptr && mount_->result().exit_code == 0; }
  const std::map<std::string, Place>& rank(std::uint64_t rank) const { return ranks_[rank]; }

  void ExpectCheap() const {
    const std::vector<pid_t> daemons = ProcessesNaming(mount_->path());
    ASSERT_EQ(daemons.size(), 1u);
    const double headers = LeastSeconds(CLOCK_PROCESS_CPUTIME_ID, 2, [this] { ReadHeaders(source_); });
    EXPECT_LT(SecondsOf(ClockOf(daemons.front())), kMaxMountOverHeaders * headers);
    EXPECT_LT(std::stoull(StatusField(daemons.front(), "VmHWM:")) * 1024, kMaxDaemonBytes);
  }

  // Where one stack of experts of a layer has each of its sources, as the ranks cut them.
  void ExpectExpert(const std::string& layer, std::uint64_t expert, std::uint64_t width, std::uint64_t hidden) const {
    const std::uint64_t local = width / tp_;
    const std::string source = layer + "mlp.experts." + std::to_string(expert) + ".";
    for (const bool up : {false, true}) {
      const SourceMatrix matrix{source + (up ? "up_proj.weight" : "gate_proj.weight"), Dtype::kBF16, width, hidden};
      matrix.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
        const Place& place = rank(row / local).at(layer + "mlp.experts.routed_experts.w13_weight");
        const std::uint64_t shown = expert * 2 * local + (up ? local : 0) + row % local;
        ExpectElement(place, shown * hidden + column, matrix.Element(row, column), matrix.name);
      });
    }
    const SourceMatrix down{source + "down_proj.weight", Dtype::kBF16, hidden, width};
    down.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
      const Place& place = rank(column / local).at(layer + "mlp.experts.routed_experts.w2_weight");
      ExpectElement(place, (expert * hidden + row) * local + column % local, down.Element(row, column), down.name);
    });
  }

 private:
  std::map<std::string, Place> TensorsOfRank(std::uint64_t rank) const {
    std::map<std::string, Place> places;
    const std::string begin = "model-rank-" + std::to_string(rank) + "-part-";
    for (const auto& entry : fs::directory_iterator(mount_->path())) {
      if (!entry.path().filename().string().starts_with(begin)) continue;
      const Header header = HeaderOf(entry.path());
      for (const HeaderTensor& tensor : header.tensors) {
        const Place place{entry.path(), tensor, header.data_offset + tensor.begin};
        EXPECT_TRUE(places.emplace(tensor.name, place).second) << tensor.name << " is in two parts";
      }
    }
    return places;
  }

  MountableDirectory scratch_;
  std::uint64_t tp_;
  std::string source_ = scratch_.path() / "source";
  std::unique_ptr<MountedProgram> mount_;
  std::vector<std::map<std::string, Place>> ranks_;
};

TEST(TrueScaleShardedState, Qwen3OfEightRanks) {
  SHARDFS_REQUIRE_FUSE();
  const ShardedStateMount mount(8, [](const std::string& directory) {
    const tools::ModelPreset& preset = *tools::FindModelPreset("qwen3-235b-a22b");
    tools::WriteOptions options;
    options.files = preset.files;
    options.fill = tools::Fill::kSparse;
    const auto written = tools::WriteModel(directory, tools::ModelOf(preset), options);
    ASSERT_TRUE(written.ok()) << written.status();
  });
  ASSERT_TRUE(mount.mounted());
  mount.ExpectCheap();
  // A layer has qkv, o, q_norm, k_norm, four scalars, gate, w13, w2 and two norms.
  EXPECT_EQ(mount.rank(7).size(), 94u * 13 + 3);
  std::mt19937_64 random(11);
  for (int i = 0; i < 12; ++i) {
    mount.ExpectExpert("model.layers." + std::to_string(random() % 94) + ".", random() % 128, 1536, 4096);
  }
  // Four heads of k for eight ranks: two ranks share each.
  const SourceMatrix k{"model.layers.5.self_attn.k_proj.weight", Dtype::kBF16, 4 * 128, 4096};
  k.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
    for (const std::uint64_t rank : {row / 128 * 2, row / 128 * 2 + 1}) {
      const Place& place = mount.rank(rank).at("model.layers.5.self_attn.qkv_proj.weight");
      ASSERT_EQ(place.tensor.shape, (Shape{64 / 8 * 128 + 2 * 128, 4096}));
      ExpectElement(place, (64 / 8 * 128 + row % 128) * 4096 + column, k.Element(row, column), k.name);
    }
  });
}

TEST(TrueScaleShardedState, DeepseekV3OfSixteenRanks) {
  SHARDFS_REQUIRE_FUSE();
  const ShardedStateMount mount(16, [](const std::string& directory) {
    const tools::Preset& preset = *tools::FindPreset("deepseek-v3");
    tools::CheckpointOptions options;
    options.shape = preset.shape;
    options.quantisation = preset.quantisation;
    options.files = preset.files;
    options.fill = tools::Fill::kSparse;
    const auto written = tools::WriteCheckpoint(directory, options);
    ASSERT_TRUE(written.ok()) << written.status();
  });
  ASSERT_TRUE(mount.mounted());
  mount.ExpectCheap();
  // Six of attention, four scalars and two norms; a dense MLP of two, or gate, bias, two shared, w13 and w2.
  EXPECT_EQ(mount.rank(0).size(), 61u * 12 + 3 * 2 + 58 * 6 + 3);
  std::mt19937_64 random(12);
  for (int i = 0; i < 12; ++i) {
    mount.ExpectExpert("model.layers." + std::to_string(3 + random() % 58) + ".", random() % 256, 2048, 7168);
  }
  const SourceMatrix kv_a{"model.layers.9.self_attn.kv_a_proj_with_mqa.weight", Dtype::kBF16, 576, 7168};
  kv_a.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
    const Place& place = mount.rank(row % 16).at("model.layers.9.self_attn.fused_qkv_a_proj.weight");
    ExpectElement(place, (1536 + row) * 7168 + column, kv_a.Element(row, column), kv_a.name);
  });
}

}  // namespace
}  // namespace shardfs::testing
