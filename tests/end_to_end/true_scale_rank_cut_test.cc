// deepseek-moe-16b at true scale, sparse, cut for each rank as its preset says: on one node (tp 8, with and without
// expert parallelism) and over two pipeline stages (tp 8, pp 2). The ranks together have the published tensors, the
// stamps of the source are where an account of the cut says, and a mount costs no more than headers take.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_tensors.h"
#include "end_to_end/true_scale_mount.h"
#include "fuse/fuse_available.h"
#include "tools/model_presets.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLayers = 28;
constexpr std::uint64_t kExperts = 64;
constexpr std::uint64_t kTensorParallel = 8;
constexpr std::uint64_t kPublishedTensors = 5'466;
constexpr std::uint64_t kPublishedBytes = 32'751'456'256;

struct RankCut {
  const char* name;
  std::vector<std::string> options;
  std::uint64_t stages = 1;
  bool expert_parallel = false;
};

void PrintTo(const RankCut& cut, std::ostream* out) { *out << cut.name; }

const RankCut kCuts[] = {
    {"Tp8", {"--tp", "8"}},
    {"Tp8WithExperts", {"--tp", "8", "--expert-parallel"}, 1, true},
    {"Tp8Pp2", {"--tp", "8", "--pp", "2"}, 2},
};

class TrueScaleRankCut : public ::testing::TestWithParam<RankCut> {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    const tools::ModelPreset& preset = *tools::FindModelPreset("deepseek-moe-16b");
    tools::WriteOptions options;
    options.files = preset.files;
    options.fill = tools::Fill::kSparse;
    const auto written = tools::WriteModel(source_, tools::ModelOf(preset), options);
    ASSERT_TRUE(written.ok()) << written.status();
    std::vector<std::string> arguments = {"--layout", "rank-cut", "--preset", "deepseek-moe-16b"};
    arguments.insert(arguments.end(), GetParam().options.begin(), GetParam().options.end());
    mount_ = std::make_unique<MountedProgram>(source_, arguments);
    ASSERT_EQ(mount_->result().exit_code, 0) << mount_->result().err;
  }

  fs::path FileOf(std::uint64_t rank) const {
    const std::string number = std::to_string(rank);
    return fs::path(mount_->path()) / ("rank_" + std::string(5 - number.size(), '0') + number) / "model.safetensors";
  }

  // The tensors of each rank, by name.
  std::vector<std::map<std::string, Place>> Ranks() const {
    std::vector<std::map<std::string, Place>> ranks;
    for (std::uint64_t rank = 0; rank < kTensorParallel * GetParam().stages; ++rank) {
      ranks.push_back(TensorsOfFolder(FileOf(rank).parent_path()));
    }
    return ranks;
  }

  MountableDirectory scratch_;
  std::string source_ = scratch_.path() / "source";
  std::unique_ptr<MountedProgram> mount_;
};

// How a matrix of a layer is cut over tp.
enum class Cut { kRows, kColumns, kWhole };

// Compares elements at the stamps of a matrix and elsewhere, on the rank that has each of them.
void ExpectMatrix(const std::vector<std::map<std::string, Place>>& ranks, std::uint64_t first_rank, std::uint64_t count,
                  Cut cut, const SourceMatrix& source) {
  source.ForSomeElements([&](std::uint64_t row, std::uint64_t column) {
    const std::uint64_t rows = cut == Cut::kRows ? source.rows / count : source.rows;
    const std::uint64_t columns = cut == Cut::kColumns ? source.columns / count : source.columns;
    const std::uint64_t part = cut == Cut::kRows ? row / rows : cut == Cut::kColumns ? column / columns : 0;
    const auto& tensors = ranks.at(first_rank + part);
    ASSERT_TRUE(tensors.contains(source.name)) << source.name << " on rank " << first_rank + part;
    const Place& place = tensors.at(source.name);
    ASSERT_EQ(place.tensor.shape, source.columns == 1 ? Shape({rows}) : Shape({rows, columns})) << source.name;
    ExpectElement(place, row % rows * columns + column % columns, source.Element(row, column), source.name);
  });
}

TEST_P(TrueScaleRankCut, TheRanksTogetherHaveThePublishedTensors) {
  const auto map = nlohmann::json::parse(ReadFile(fs::path(mount_->path()) / "rank_map.json"), nullptr, false);
  const auto ranks = Ranks();
  ASSERT_EQ(map["ranks"].size(), ranks.size());
  std::map<std::string, std::uint64_t> copies;
  std::uint64_t data = 0;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    EXPECT_EQ(map["ranks"][rank]["tensors"], ranks[rank].size());
    EXPECT_EQ(map["ranks"][rank]["bytes"], fs::file_size(FileOf(rank)));
    for (const auto& [name, place] : ranks[rank]) {
      ++copies[name];
      data += BytesOf(place);
    }
  }
  EXPECT_EQ(copies.size(), kPublishedTensors);
  EXPECT_GT(data, kPublishedBytes);  // norms, routers, embedding and head are whole on every rank of their stage
  EXPECT_LT(data, kPublishedBytes * 6 / 5);
}

TEST_P(TrueScaleRankCut, TheSourcesElementsAreWhereTheCutSays) {
  const auto ranks = Ranks();
  for (const std::uint64_t layer : {std::uint64_t{1}, std::uint64_t{13}, std::uint64_t{14}, kLayers - 1}) {
    const std::uint64_t first = layer / (kLayers / GetParam().stages) * kTensorParallel;
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const auto expect = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns, Cut cut) {
      ExpectMatrix(ranks, first, kTensorParallel, cut, {prefix + name, Dtype::kBF16, rows, columns});
    };
    expect("self_attn.q_proj.weight", 2048, 2048, Cut::kRows);
    expect("self_attn.o_proj.weight", 2048, 2048, Cut::kColumns);
    expect("mlp.shared_experts.down_proj.weight", 2048, 2816, Cut::kColumns);
    expect("mlp.gate.weight", 64, 2048, Cut::kWhole);
    expect("input_layernorm.weight", 2048, 1, Cut::kWhole);
    for (const std::uint64_t expert : {std::uint64_t{0}, std::uint64_t{9}, kExperts - 1}) {
      const SourceMatrix down = {prefix + "mlp.experts." + std::to_string(expert) + ".down_proj.weight", Dtype::kBF16,
                                 2048, 1408};
      if (GetParam().expert_parallel) {
        ExpectMatrix(ranks, first + expert / (kExperts / kTensorParallel), 1, Cut::kWhole, down);
      } else {
        ExpectMatrix(ranks, first, kTensorParallel, Cut::kColumns, down);
      }
    }
  }
  ExpectMatrix(ranks, 0, 1, Cut::kWhole, {"model.embed_tokens.weight", Dtype::kBF16, 102400, 2048});
  ExpectMatrix(ranks, ranks.size() - 1, 1, Cut::kWhole, {"lm_head.weight", Dtype::kBF16, 102400, 2048});
}

TEST_P(TrueScaleRankCut, AMountCostsNoMoreThanHeadersTake) {
  const std::vector<pid_t> daemons = ProcessesNaming(mount_->path());
  ASSERT_EQ(daemons.size(), 1u);
  const double mount = SecondsOf(ClockOf(daemons.front()));
  const double headers = LeastSeconds(CLOCK_PROCESS_CPUTIME_ID, 2, [this] {
    for (const auto& entry : fs::directory_iterator(source_)) {
      if (entry.path().extension() != ".safetensors") continue;
      EXPECT_FALSE(HeaderOf(entry.path()).tensors.empty());
    }
  });
  EXPECT_LT(mount, kMaxMountOverHeaders * headers);
}

INSTANTIATE_TEST_SUITE_P(Cuts, TrueScaleRankCut, ::testing::ValuesIn(kCuts),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace shardfs::testing
