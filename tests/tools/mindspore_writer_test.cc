// The MindSpore checkpoints of the generator: slices as the worked examples of spec/mindspore.md have them, strategy
// files byte for byte as MindSpore writes them, and files whose slices make up the whole parameters.
#include "tools/mindspore_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/read_text.h"

namespace shardfs::tools {
namespace {

namespace fs = std::filesystem;

MindSporeBox Box(const MindSporeCutOf& cut, const Shape& shape, std::uint64_t local) {
  const auto box = BoxOf(cut, shape, local);
  EXPECT_TRUE(box.ok()) << box.status();
  return box.ok() ? *box : MindSporeBox{};
}

TEST(MindSporeBoxTest, IsThatOfTheWorkedExamples) {
  const Shape shape = {8, 16};
  EXPECT_EQ(Box({{2, 4}, {{1}, {0}}}, shape, 6), (MindSporeBox{{4, 8}, {8, 12}}));
  EXPECT_EQ(Box({{2, 4}, {{0}, {1}}}, shape, 4), (MindSporeBox{{0, 2}, {8, 16}}));
  const MindSporeCutOf rows_sharded{{2, 4}, {{}, {0}}, 4, -1};
  EXPECT_EQ(Box(rows_sharded, shape, 7), (MindSporeBox{{4, 8}, {12, 16}}));
  EXPECT_EQ(Box(rows_sharded, shape, 1), (MindSporeBox{{0, 4}, {4, 8}}));
  const MindSporeCutOf inside{{2, 4}, {{0}, {}}, 4, -1};
  EXPECT_EQ(Box(inside, shape, 4)[0], std::pair(1ul, 2ul));
  EXPECT_EQ(Box(inside, shape, 5)[0], std::pair(3ul, 4ul));
  EXPECT_EQ(Box({{2, 4}, {{}, {}}, 1, 2}, shape, 3)[0], std::pair(4ul, 8ul));
  const MindSporeCutOf three{{2, 2, 2}, {{1}, {}}, 1, -1};
  EXPECT_EQ(Box(three, {16, 8}, 4)[0], std::pair(4ul, 6ul));
  EXPECT_EQ(Box(three, {16, 8}, 2)[0], std::pair(8ul, 10ul));
  EXPECT_EQ(Box({{2, 2, 2}, {{2, 1}, {0}}}, {8, 8}, 5), (MindSporeBox{{4, 6}, {4, 8}}));
  EXPECT_EQ(Box({{2, 2, 2}, {{1, 2}, {0}}}, {8, 8}, 2)[0], std::pair(4ul, 6ul));
  EXPECT_FALSE(BoxOf({{3}, {{0}}}, {8}, 0).ok());
}

// The bytes of one item of a merged strategy that MindSpore 2.7 wrote, with the beginning of the file.
TEST(MindSporeStrategyTest, IsWrittenAsMindSporeWritesIt) {
  MindSporeStrategy strategy;
  strategy.current_stage = 1;
  strategy.stages = {1};
  strategy.items = {{"0-wq", {{2, 4}, {{0}, {}}, 4, -1}, {8, 8}}};
  const std::string minus_one = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
  EXPECT_EQ(StrategyProtobuf(strategy),
            std::string("\x08\x01\x12\x1e\x0a\x12", 6) + "Default/stage1/op0" +
                std::string("\x12\x08\x08\x01\x12\x04\x08\x01\x08\x01", 10) + std::string("\x1a\x30\x0a\x04", 4) +
                "0-wq" + std::string("\x12\x28\x0a\x04\x08\x02\x08\x04", 8) + std::string("\x12\x0d\x08\x00\x08", 5) +
                minus_one + std::string("\x1a\x00\x22\x00\x28\x00\x30\x04\x38", 9) + minus_one);
  const auto json = nlohmann::json::parse(StrategyJson(strategy));
  EXPECT_EQ(json["parallel_layout_item"]["0-wq"]["tensor_map"], (nlohmann::json{0, -1}));
  EXPECT_EQ(json["parallel_layout_item"]["0-wq"]["opt_weight_shard_size"], -1);
  EXPECT_EQ(json["parallel_strategy_item"]["Default/stage1/op0"]["stage"], 1);
}

class MindSporeWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "shardfs-mindspore-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  // The tensors of a rank's file, as (shape, bytes) by name.
  using Tensors = std::map<std::string, std::pair<Shape, std::string>>;
  Tensors Read(std::uint64_t rank) const {
    const std::string name = "rank_" + std::to_string(rank);
    const std::string bytes = ReadTextOf(root_ / "c/checkpoint" / name / ("model_" + name + "-1_100.safetensors"));
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    const auto header = nlohmann::json::parse(bytes.substr(8, length));
    Tensors tensors;
    for (const auto& [key, entry] : header.items()) {
      if (key == "__metadata__") continue;
      const auto begin = entry["data_offsets"][0].get<std::uint64_t>();
      const auto end = entry["data_offsets"][1].get<std::uint64_t>();
      tensors[key] = {entry["shape"].get<Shape>(), bytes.substr(8 + length + begin, end - begin)};
    }
    return tensors;
  }

  // Puts each rank's slice at its place by indices, and expects the whole parameter's bytes everywhere. With
  // redundancy removed, every place must still be covered, and by one rank of the stage alone.
  void ExpectWhole(const MindSporeOptions& options) const {
    std::map<std::string, std::string> covered;
    const auto parameters = ParametersOf(options);
    ASSERT_TRUE(parameters.ok());
    const std::uint64_t stage_ranks = options.sizes.dp * options.sizes.tp;
    for (std::uint64_t rank = 0; rank < options.sizes.ranks(); ++rank) {
      const Tensors tensors = Read(rank);
      for (const MindSporeParameter& parameter : *parameters) {
        const NewTensor& tensor = parameter.tensor;
        const auto found = tensors.find(tensor.name);
        if (found == tensors.end()) continue;
        const auto box = BoxOf(parameter.cut, tensor.shape, rank % stage_ranks);
        ASSERT_TRUE(box.ok());
        ASSERT_NO_FATAL_FAILURE(Compare(parameter, *box, found->second, options,
                                        covered[tensor.name + std::to_string(rank / stage_ranks)]));
      }
    }
    std::size_t copies = 0;
    for (const MindSporeParameter& parameter : *parameters) copies += parameter.stages.size();
    EXPECT_EQ(covered.size(), copies);
    for (const auto& [name, marks] : covered) EXPECT_EQ(marks.find('\0'), std::string::npos) << name;
  }

  static void Compare(const MindSporeParameter& parameter, const MindSporeBox& box,
                      const std::pair<Shape, std::string>& slice, const MindSporeOptions& options, std::string& marks) {
    const NewTensor& tensor = parameter.tensor;
    const std::uint64_t size = DtypeBytes(tensor.dtype);
    std::string whole(SizeOf(tensor), '\0');
    const ContentKey key{tensor.name, tensor.dtype, whole.size(), options.seed, options.offsets};
    ExpectedBytes(key, options.fill, 0, std::as_writable_bytes(std::span(whole)));
    marks.resize(whole.size() / size);
    ASSERT_EQ(slice.first.size(), box.size());
    std::uint64_t index = 0;
    for (std::uint64_t element = 0; element < marks.size(); ++element) {
      std::uint64_t rest = element;
      bool inside = true;
      for (std::size_t a = box.size(); a-- > 0; rest /= tensor.shape[a]) {
        const std::uint64_t at = rest % tensor.shape[a];
        inside = inside && at >= box[a].first && at < box[a].second;
      }
      if (!inside) continue;
      ASSERT_EQ(slice.second.substr(index * size, size), whole.substr(element * size, size)) << tensor.name;
      ASSERT_TRUE(!options.redundancy_removed || marks[element] == '\0') << tensor.name;
      marks[element] = '\1';
      ++index;
    }
    EXPECT_EQ(index * size, slice.second.size()) << tensor.name;
  }

  void WriteAndCheck(const MindSporeOptions& options) const {
    fs::remove_all(root_ / "c");
    const auto written = WriteMindSpore(root_ / "c", options);
    ASSERT_TRUE(written.ok()) << written.status();
    EXPECT_EQ(written->files, options.sizes.ranks());
    ExpectWhole(options);
  }

  fs::path root_;
};

TEST_F(MindSporeWriterTest, SlicesMakeUpTheParameters) {
  MindSporeOptions options;
  options.shape = FindMindSporePreset("llama-small")->shape;
  options.sizes = {.dp = 2, .tp = 4, .pp = 2, .optimizer_shard = -1};
  options.moments = 1;
  WriteAndCheck(options);
  options.fill = Fill::kSparse;
  WriteAndCheck(options);
  options.shape = FindMindSporePreset("deepseek-small")->shape;
  options.sizes = {.dp = 4, .tp = 2, .pp = 2, .ep = 2, .optimizer_shard = 2};
  WriteAndCheck(options);
  options.fill = Fill::kDense;
  options.redundancy_removed = true;
  WriteAndCheck(options);
}

TEST_F(MindSporeWriterTest, WritesStrategiesInEachForm) {
  MindSporeOptions options;
  options.shape = FindMindSporePreset("llama-small")->shape;
  options.sizes = {.dp = 2, .tp = 2, .pp = 2};
  const auto names = [&] {
    fs::remove_all(root_ / "c");
    EXPECT_TRUE(WriteMindSpore(root_ / "c", options).ok());
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(root_ / "c/strategy")) found.insert(entry.path().filename());
    return found;
  };
  EXPECT_THAT(names(), ::testing::ElementsAre("ckpt_strategy_rank_0.ckpt", "ckpt_strategy_rank_4.ckpt"));
  options.strategies = MindSporeOptions::StrategyFiles::kEachRank;
  EXPECT_EQ(names().size(), 8u);
  options.strategies = MindSporeOptions::StrategyFiles::kMerged;
  options.json = true;
  EXPECT_THAT(names(), ::testing::ElementsAre("merged_ckpt_strategy.json"));
  const auto json = nlohmann::json::parse(ReadTextOf(root_ / "c/strategy/merged_ckpt_strategy.json"));
  EXPECT_TRUE(json["parallel_layout_item"].contains("0-model.tok_embeddings.embedding_weight"));
  EXPECT_TRUE(json["parallel_layout_item"].contains("1-lm_head.weight"));
}

TEST_F(MindSporeWriterTest, RefusesSizesThatDoNotDivide) {
  MindSporeOptions options;
  options.shape = FindMindSporePreset("deepseek-small")->shape;
  options.sizes = {.dp = 4, .ep = 3};
  EXPECT_EQ(WriteMindSpore(root_ / "c", options).status().code(), StatusCode::kInvalidArgument);
  options.sizes = {.tp = 5};
  EXPECT_EQ(WriteMindSpore(root_ / "c", options).status().code(), StatusCode::kInvalidArgument);
  options.sizes = {.pp = 5};
  EXPECT_EQ(WriteMindSpore(root_ / "c", options).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(root_ / "c"));
}

}  // namespace
}  // namespace shardfs::tools
