// A rank cut of FP8 weights: as they are, scales and all, and behind --dequantize. The files of all ranks, put together
// again by their shapes alone, are what the layout huggingface shows of the same source.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "end_to_end/mounted_program.h"
#include "end_to_end/shown_tensors.h"
#include "tools/checkpoint_writer.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

struct SourceCase {
  const char* name;
  Arguments transform;
  Arguments sizes;
};

void PrintTo(const SourceCase& source, std::ostream* out) { *out << source.name; }

const SourceCase kCases[] = {
    {"Fp8Tp2", {}, {"--tp", "2"}},
    {"Fp8Tp2Pp2WithExperts", {}, {"--tp", "2", "--pp", "2", "--expert-parallel"}},
    {"DequantizedTp2", {"--dequantize", "bf16"}, {"--tp", "2"}},
    {"DequantizedTp2Pp2WithExperts", {"--dequantize", "bf16"}, {"--tp", "2", "--pp", "2", "--expert-parallel"}},
};

class RankCutSources : public ::testing::TestWithParam<SourceCase> {
 protected:
  // Every share of a tensor ends at a border of blocks of 128.
  void SetUp() override {
    tools::CheckpointOptions options;
    options.shape = {.hidden = 256,
                     .layers = 2,
                     .heads = 4,
                     .q_lora_rank = 64,
                     .kv_lora_rank = 64,
                     .qk_nope_head_dim = 64,
                     .qk_rope_head_dim = 64,
                     .v_head_dim = 64,
                     .intermediate = 512,
                     .moe_intermediate = 256,
                     .experts = 4,
                     .shared_experts = 1,
                     .first_k_dense = 1,
                     .vocab = 512,
                     .mtp_layers = 1};
    options.quantisation = {.kind = tools::CheckpointKind::kFp8Block, .quantised_mtp = true};
    const auto written = tools::WriteCheckpoint(source_, options);
    ASSERT_TRUE(written.ok()) << written.status();
  }

  fs::path Materialize(const std::string& name, Arguments layout) const {
    const fs::path destination = scratch_.path() / name;
    layout.insert(layout.begin(), {"materialize", source_, destination});
    layout.insert(layout.end(), GetParam().transform.begin(), GetParam().transform.end());
    const ProgramResult result = RunShardfs(std::move(layout));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return destination;
  }

  MountableDirectory scratch_;
  std::string source_ = scratch_.path() / "source";
};

// The parts one behind the other along the axis on which they are smaller than the whole.
std::string PutTogether(const std::vector<Place>& parts, const Shape& whole) {
  std::size_t axis = 0;
  while (axis < whole.size() && parts.front().tensor.shape[axis] == whole[axis]) ++axis;
  if (axis == whole.size()) return ContentOf(parts.front());
  std::size_t rows = 1;
  for (std::size_t i = 0; i < axis; ++i) rows *= whole[i];
  std::string bytes;
  for (std::size_t row = 0; row < rows; ++row) {
    for (const Place& part : parts) {
      const std::string content = ContentOf(part);
      bytes += content.substr(row * (content.size() / rows), content.size() / rows);
    }
  }
  return bytes;
}

TEST_P(RankCutSources, TheRanksTogetherAreTheSource) {
  Arguments cut = {"--layout", "rank-cut", "--preset", "deepseek-v3"};
  cut.insert(cut.end(), GetParam().sizes.begin(), GetParam().sizes.end());
  const fs::path ranks = Materialize("ranks", cut);
  const fs::path whole = Materialize("whole", {"--layout", "huggingface"});
  std::map<std::string, std::vector<Place>> parts;
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(ranks)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    for (const auto& [name, place] : TensorsOfFolder(folder)) parts[name].push_back(place);
  }
  const auto tensors = TensorsOfFolder(whole);
  EXPECT_EQ(parts.size(), tensors.size());
  bool has_scales = false;
  for (const auto& [name, place] : tensors) {
    ASSERT_TRUE(parts.contains(name)) << name;
    EXPECT_EQ(PutTogether(parts.at(name), place.tensor.shape), ContentOf(place)) << name;
    for (const Place& part : parts.at(name)) {
      EXPECT_EQ(part.tensor.dtype, place.tensor.dtype) << name;
      const bool is_whole = part.tensor.shape == place.tensor.shape;
      EXPECT_TRUE(!is_whole || ContentOf(part) == ContentOf(place)) << name;
    }
    has_scales = has_scales || name.ends_with("_scale_inv");
  }
  EXPECT_EQ(has_scales, GetParam().transform.empty());
}

INSTANTIATE_TEST_SUITE_P(Fp8, RankCutSources, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace shardfs::testing
