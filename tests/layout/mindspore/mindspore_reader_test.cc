// What the mindspore reader takes for what: ranks, their files, one full file, a unified directory; what its whole
// tensors are; and what it refuses.
#include "layout/mindspore/mindspore_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "layout/huggingface/huggingface_layout.h"
#include "layout/mindspore/mindspore_files.h"
#include "shardfs/tensor/read_plan.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Four devices in one stage: w is split by columns over two of them, b is everywhere.
class MindsporeReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteStrategy(Path("s.ckpt"), {{"0-w", FlatLayout({2, 2}, {-1, 0})}, {"0-b", FlatLayout({2, 2}, {-1})}});
    for (std::uint32_t rank = 0; rank < 4; ++rank) WriteRank(rank, "1_10", RankTensors(rank, 0));
  }

  fs::path Path(const std::string& name) const { return directory_.path() / name; }
  fs::path File(std::uint32_t rank, const std::string& step) const {
    const std::string number = std::to_string(rank);
    return Path("c") / ("rank_" + number) / ("m_rank_" + number + "-" + step + ".safetensors");
  }
  void WriteRank(std::uint32_t rank, const std::string& step, const U32Tensors& tensors) const {
    WriteTensors(File(rank, step), tensors);
  }

  // Elements count up from `first` in the whole tensors.
  static U32Tensors RankTensors(std::uint32_t rank, std::uint32_t first) {
    const std::uint32_t column = rank % 2 * 2;
    return {{"w", {{2, 2}, {first + column, first + column + 1, first + column + 4, first + column + 5}}},
            {"b", Counting({3}, first + 100)},
            {"step_num", Counting({1}, first + 7)}};
  }
  static U32Tensors Whole(std::uint32_t first) {
    return {{"w", Counting({2, 4}, first)}, {"b", Counting({3}, first + 100)}, {"step_num", Counting({1}, first + 7)}};
  }

  Result<CheckpointPtr> Open(GivenOptions options = {}) const {
    options.emplace_back("src_strategy", Path("s.ckpt"));
    return OpenMindspore(Path("c"), options);
  }
  static U32Tensors Shown(const Result<CheckpointPtr>& checkpoint) {
    const auto view = ViewOf<HuggingfaceLayout>(checkpoint, {});
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? TensorsOf(FilesOf(*view).at("model.safetensors")) : U32Tensors{};
  }
  static std::string Refusal(const Result<CheckpointPtr>& checkpoint) {
    return std::string(ViewOf<HuggingfaceLayout>(checkpoint, {}).status().message());
  }

  MountableDirectory directory_;
};

TEST_F(MindsporeReaderTest, PutsSlicesTogetherAndPassesOnTheRest) {
  const auto checkpoint = Open();
  EXPECT_EQ(Shown(checkpoint), Whole(0));
  EXPECT_THAT((*checkpoint)->account(),
              ElementsAre(AllOf(HasSubstr("4 ranks with a file"), HasSubstr("1 pipeline stage of 4 devices")),
                          AllOf(HasSubstr("2 of 2 parameters"), HasSubstr("1 split by model parallelism")),
                          HasSubstr("'step_num'")));
  ASSERT_NE((*checkpoint)->parts(), nullptr);
  EXPECT_EQ((*checkpoint)->parts()->file_count(), 4u);
  EXPECT_EQ((*checkpoint)->parts()->TensorsOf(3)->specs().size(), 3u);
  EXPECT_EQ((*checkpoint)->parts()->FileName(3), "rank_3/m_rank_3-1_10.safetensors");
}

TEST_F(MindsporeReaderTest, TakesTheNewestFileByNumbersOrTheOneOfASuffix) {
  for (std::uint32_t rank = 0; rank < 4; ++rank) WriteRank(rank, "1_9", RankTensors(rank, 1000));
  EXPECT_EQ(Shown(Open()), Whole(0));
  EXPECT_EQ(Shown(Open({{"file_suffix", "1_9"}})), Whole(1000));
  EXPECT_THAT(Refusal(Open({{"file_suffix", "2_1"}})), HasSubstr("no rank_*/ holds a file *2_1.safetensors"));
}

TEST_F(MindsporeReaderTest, RefusesFilesOfDifferentSteps) {
  for (std::uint32_t rank = 0; rank < 3; ++rank) WriteRank(rank, "1_20", RankTensors(rank, 1000));
  EXPECT_THAT(Refusal(Open()),
              AllOf(HasSubstr("1_20 for rank 0"), HasSubstr("1_10 for rank 3"), HasSubstr("--file-suffix 1_10")));
}

TEST_F(MindsporeReaderTest, TakesASliceFromAnyRankThatHoldsIt) {
  fs::remove_all(Path("c") / "rank_1");
  EXPECT_EQ(Shown(Open()), Whole(0));
  fs::remove_all(Path("c") / "rank_3");
  EXPECT_THAT(Refusal(Open()), AllOf(HasSubstr("parameter 'w'"), HasSubstr("that of rank 1")));
}

TEST_F(MindsporeReaderTest, RefusesSlicesThatDisagree) {
  U32Tensors other = RankTensors(2, 0);
  other["w"] = Counting({3, 2}, 0);
  WriteRank(2, "1_10", other);
  EXPECT_THAT(Refusal(Open()), AllOf(HasSubstr("'w'"), HasSubstr("[3, 2] on rank 2"), HasSubstr("[2, 2]")));
}

TEST_F(MindsporeReaderTest, RefusesDirectoriesThatCannotBeRead) {
  std::ofstream(Path("c") / "rank_0" / "a.ckpt") << "x";
  EXPECT_THAT(Refusal(Open()), HasSubstr("files of two formats"));
  fs::remove(Path("c") / "rank_0" / "a.ckpt");
  WriteTensors(Path("c") / "rank_0" / "model.safetensors", RankTensors(0, 0));
  EXPECT_THAT(Refusal(Open()), AllOf(HasSubstr("no epoch and step"), HasSubstr("rank_0/model.safetensors")));
  fs::remove(Path("c") / "rank_0" / "model.safetensors");
  fs::create_directory(Path("c") / "rank_00");
  EXPECT_THAT(Refusal(Open()), HasSubstr("two directories are rank 0's"));
  fs::remove(Path("c") / "rank_00");
  WriteRank(4, "1_10", RankTensors(0, 0));
  EXPECT_THAT(Refusal(Open()), AllOf(HasSubstr("rank_4/"), HasSubstr("of 4 ranks")));
}

TEST_F(MindsporeReaderTest, AsksForTheStrategyOfSeveralRanks) {
  const auto checkpoint = OpenMindspore(Path("c"), {});
  EXPECT_THAT(Refusal(checkpoint), HasSubstr("give --src-strategy"));
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ((*checkpoint)->parts()->file_count(), 4u) << "file by file they can be shown";
}

TEST_F(MindsporeReaderTest, TakesOneFullFile) {
  WriteTensors(Path("full") / "llama.safetensors", Whole(5));
  EXPECT_EQ(Shown(OpenMindspore(Path("full"), {})), Whole(5));
  EXPECT_EQ(Shown(OpenMindspore(Path("full") / "llama.safetensors", {})), Whole(5));
  WriteTensors(Path("one") / "rank_0" / "checkpoint_0.safetensors", Whole(6));
  EXPECT_EQ(Shown(OpenMindspore(Path("one"), {})), Whole(6));
}

TEST_F(MindsporeReaderTest, TakesAUnifiedDirectory) {
  WriteTensors(Path("u") / "part0.safetensors", {{"w", Counting({2, 4}, 0)}});
  WriteTensors(Path("u") / "part1.safetensors", {{"b", Counting({3}, 100)}});
  WriteTensors(Path("u") / "hyper_param.safetensors", {{"step_num", Counting({1}, 7)}});
  EXPECT_THAT(Refusal(OpenMindspore(Path("u"), {})), HasSubstr("no param_name_map.json"));
  std::ofstream(Path("u") / "param_name_map.json")
      << R"({"metadata": {}, "weight_map": {"w": "part0.safetensors", "b": "part1.safetensors"}})";
  EXPECT_EQ(Shown(OpenMindspore(Path("u"), {})), Whole(0));
  std::ofstream(Path("u") / "param_name_map.json") << R"({"w": "part7.safetensors"})";
  EXPECT_THAT(Refusal(OpenMindspore(Path("u"), {})), AllOf(HasSubstr("'part7.safetensors'"), HasSubstr("is missing")));
}

TEST_F(MindsporeReaderTest, RecognisesByNames) {
  const MindsporeReader reader;
  const std::vector<std::string> unified = {"param_name_map.json", "part0.safetensors"};
  const std::vector<std::string> ranks = {"meta.json", "rank_12"};
  const std::vector<std::string> none = {"model.safetensors", "rank_x", "ranks"};
  EXPECT_EQ(reader.Recognise(unified).degree, Recognition::Degree::kCertain);
  EXPECT_EQ(reader.Recognise(ranks).degree, Recognition::Degree::kPossible);
  EXPECT_EQ(reader.Recognise(none).degree, Recognition::Degree::kNo);
}

TEST_F(MindsporeReaderTest, WarnsOfOtherDirectoriesAndRefusesTheNewerFormat) {
  fs::create_directory(Path("c") / "strategy");
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT((*checkpoint)->warnings(), Contains(HasSubstr("'strategy'")));
  fs::create_directories(Path("new") / "iteration_00000010");
  EXPECT_THAT(Refusal(OpenMindspore(Path("new"), {})), HasSubstr("since r1.7"));
}

TEST_F(MindsporeReaderTest, RefusesStagesThatDisagreeInAShape) {
  WriteStrategy(Path("pp.ckpt"), {{"0-w", FlatLayout({2}, {0, -1})}, {"1-w", FlatLayout({2}, {0, -1})}});
  for (std::uint32_t rank = 0; rank < 4; ++rank) {
    WriteTensors(Path("pp") / ("rank_" + std::to_string(rank)) / "m-1_1.safetensors",
                 {{"w", Counting({2, rank < 2 ? 2u : 4u}, 0)}});
  }
  EXPECT_THAT(Refusal(OpenMindspore(Path("pp"), {{"src_strategy", Path("pp.ckpt")}})),
              AllOf(HasSubstr("[4, 2] in the files of stage 0"), HasSubstr("[4, 4] in those of stage 1")));
}

}  // namespace
}  // namespace shardfs::testing
