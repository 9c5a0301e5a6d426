// DeepSeek-V3 at true scale, 1.37 TB of holes with stamps in every tensor: mounted, listed, and read at random.
// The places of the stamps in the view are worked out here from the rules, one element at a time.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <utility>
#include <vector>

#include "end_to_end/true_scale_mount.h"
#include "fuse/fuse_available.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

class TrueScale : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!FuseAvailable()) return;
    mount_ = std::make_unique<TrueScaleMount>("deepseek-v3");
    ASSERT_TRUE(mount_->mounted());
    ASSERT_GT(mount_->written().apparent_bytes, 1'360'000'000'000u);
  }
  static void TearDownTestSuite() { mount_.reset(); }

  static std::unique_ptr<TrueScaleMount> mount_;
};

std::unique_ptr<TrueScaleMount> TrueScale::mount_;

TEST_F(TrueScale, MountsInAFewTimesWhatItsHeadersTakeAndListsEveryFolder) {
  SHARDFS_REQUIRE_FUSE();
  EXPECT_LT(mount_->mount_seconds(), kMaxMountOverHeaders * mount_->header_seconds());
  mount_->ExpectFolders(9);
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(mount_->path())) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  EXPECT_GT(bytes, 1'380'000'000'000u);
}

TEST_F(TrueScale, ExpertsAreWhereTheGridPutsThem) {
  SHARDFS_REQUIRE_FUSE();
  constexpr std::uint64_t kHidden = 7168;
  constexpr std::uint64_t kWidth = 2048;
  constexpr std::uint64_t kLocal = kWidth / kMoeTp;
  std::mt19937_64 random(5);
  for (std::uint64_t ep = 0; ep < kMoeEp; ++ep) {
    const auto folders = mount_->TensorsOfExperts(ep);
    for (int i = 0; i < 6; ++i) {
      const std::string prefix = "model.layers." + std::to_string(i == 0 ? 61 : 3 + random() % 58) + ".mlp.";
      const std::uint64_t local_expert = random() % 64;
      const std::string expert = prefix + "experts." + std::to_string(ep * 64 + local_expert) + ".";
      for (const bool up : {false, true}) {
        const SourceMatrix source{expert + (up ? "up_proj.weight" : "gate_proj.weight"), Dtype::kBF16, kWidth, kHidden};
        source.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
          const Place& place = folders[row / kLocal].at(prefix + "gate_up_proj.weight");
          ASSERT_EQ(place.tensor.shape, (Shape{64, 2 * kLocal, kHidden}));
          const std::uint64_t out_row = (up ? kLocal : 0) + row % kLocal;
          ExpectElement(place, (local_expert * 2 * kLocal + out_row) * kHidden + column, source.Element(row, column),
                        source.name);
        });
      }
      const SourceMatrix down{expert + "down_proj.weight", Dtype::kBF16, kHidden, kWidth};
      down.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
        const Place& place = folders[column / kLocal].at(prefix + "down_proj.weight");
        ASSERT_EQ(place.tensor.shape, (Shape{64, kHidden, kLocal}));
        ExpectElement(place, (local_expert * kHidden + row) * kLocal + column % kLocal, down.Element(row, column),
                      down.name);
      });
    }
  }
}

TEST_F(TrueScale, AttentionIsSplitByHeadsPermutedAndTransposed) {
  SHARDFS_REQUIRE_FUSE();
  constexpr std::uint64_t kHeads = 128;
  constexpr std::uint64_t kLocalHeads = kHeads / kTp;
  constexpr std::uint64_t kNope = 128, kRope = 64, kV = 128, kRank = 512, kQRank = 1536, kHidden = 7168;
  const auto folders = mount_->TensorsOfRanks("attn");
  for (const int layer : {0, 17, 60, 61}) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".self_attn.";
    const SourceMatrix kv_b{prefix + "kv_b_proj.weight", Dtype::kBF16, kHeads * (kNope + kV), kRank};
    kv_b.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
      const std::uint64_t head = row / (kNope + kV);
      const std::uint64_t in_head = row % (kNope + kV);
      const auto& folder = folders[head / kLocalHeads];
      const std::string expected = kv_b.Element(row, column);
      if (in_head < kNope) {
        ExpectElement(folder.at(prefix + "k_b_proj.weight"), ((head % kLocalHeads) * kNope + in_head) * kRank + column,
                      expected, kv_b.name);
      } else {
        ExpectElement(folder.at(prefix + "v_b_proj.weight"),
                      ((head % kLocalHeads) * kRank + column) * kV + in_head - kNope, expected, kv_b.name);
      }
    });
    const SourceMatrix q_b{prefix + "q_b_proj.weight", Dtype::kBF16, kHeads * (kNope + kRope), kQRank};
    q_b.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
      const std::uint64_t head = row / (kNope + kRope);
      const std::uint64_t in_head = RopeRow(row % (kNope + kRope), kNope + kRope, kRope);
      ExpectElement(folders[head / kLocalHeads].at(prefix + "q_b_proj.weight"),
                    ((head % kLocalHeads) * (kNope + kRope) + in_head) * kQRank + column, q_b.Element(row, column),
                    q_b.name);
    });
    const SourceMatrix o{prefix + "o_proj.weight", Dtype::kBF16, kHidden, kHeads * kV};
    constexpr std::uint64_t kLocalColumns = kHeads * kV / kTp;
    o.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
      ExpectElement(folders[column / kLocalColumns].at(prefix + "o_proj.weight"),
                    row * kLocalColumns + column % kLocalColumns, o.Element(row, column), o.name);
    });
  }
}

// Reads 4 KiB of a file from the daemon, past the page cache.
void ReadPage(const fs::path& path, std::uint64_t offset) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  alignas(4096) static char page[4096];
  ASSERT_EQ(::pread(file.get(), page, sizeof page, static_cast<off_t>(offset)), ssize_t{sizeof page}) << path;
}

// 4 KiB at the end of a file of 10 GB cost the daemon what they cost behind its first 32 MiB, not what the file costs.
TEST_F(TrueScale, ReadsAtTheEndOfLargeFilesAreCheap) {
  SHARDFS_REQUIRE_FUSE();
  constexpr std::uint64_t kNear = 32 << 20;
  std::vector<std::pair<fs::path, std::uint64_t>> files;
  for (const auto& entry : fs::recursive_directory_iterator(mount_->path())) {
    if (entry.is_regular_file() && entry.file_size() > 2 * kNear) files.emplace_back(entry.path(), entry.file_size());
  }
  ASSERT_GT(files.size(), 100u);
  const double near = LeastSeconds(mount_->daemon_clock(), 3, [&] {
    for (const auto& [path, size] : files) ReadPage(path, kNear);
  });
  const double at_the_end = LeastSeconds(mount_->daemon_clock(), 3, [&] {
    for (const auto& [path, size] : files) ReadPage(path, (size - 4096) / 4096 * 4096);
  });
  EXPECT_LT(at_the_end, 10 * near);
}

}  // namespace
}  // namespace shardfs::testing
