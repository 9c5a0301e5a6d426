// Strategies: both forms of file, what is refused of them, the map of parameters, and merging.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "fuse/temporary_mount.h"
#include "layout/mindspore/protobuf_text.h"
#include "layout/mindspore/strategy_file.h"

namespace shardfs::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string FileOf(const std::vector<std::pair<std::string, TextLayout>>& layouts, std::uint32_t stage = 0) {
  ProtobufText file;
  file.Number(1, 1).Message(2, StrategyItem("MatMul-op0", stage));
  for (const auto& [name, layout] : layouts) file.Message(3, LayoutItem(name, layout));
  return file.bytes();
}

StrategyPtr Parse(const std::string& bytes) {
  const auto strategy = ParseProtobufStrategy(bytes, "s.ckpt");
  EXPECT_TRUE(strategy.ok()) << strategy.status();
  return strategy.ok() ? *strategy : nullptr;
}

std::string RefusalOf(const std::string& bytes) {
  return std::string(ParseProtobufStrategy(bytes, "s.ckpt").status().message());
}

TEST(StrategyTest, ReadsFlatAndNestedMaps) {
  const StrategyPtr strategy = Parse(FileOf({{"w", {{2, 4}, {{1, -1}}, 4, -1}},
                                             {"nested", {{2, 1, 4}, {{2, 0}, {-1}}}},
                                             {"one_axis", {{2, 4}, {{1, 0}, {}}}},
                                             {"again", {{2, 4}, {{1, -1}}, 4, -1}}}));
  ASSERT_NE(strategy, nullptr);
  EXPECT_EQ(strategy->devices(), 8u);
  EXPECT_EQ(strategy->ranks(), 8u);
  EXPECT_EQ(strategy->layouts().size(), 3u) << "equal layouts are one";
  const auto layout = [&](const char* name) { return strategy->LayoutOf(strategy->Find(name)->entries.front()); };
  EXPECT_EQ(layout("w").tensor_map, (std::vector<std::vector<std::int32_t>>{{1}, {-1}}));
  EXPECT_FALSE(layout("w").is_nested);
  EXPECT_EQ(layout("w").shard_step, 4);
  EXPECT_EQ(layout("w").shard_size, -1);
  EXPECT_EQ(layout("nested").tensor_map, (std::vector<std::vector<std::int32_t>>{{2, 0}, {-1}}));
  EXPECT_EQ(layout("one_axis").tensor_map, (std::vector<std::vector<std::int32_t>>{{1, 0}}));
  EXPECT_EQ(strategy->Find("absent"), nullptr);
}

TEST(StrategyTest, ReadsPackedNumbersAndAbsentOnes) {
  ProtobufText layouts;
  layouts.Message(1, ProtobufText().Packed(1, {2, 4})).Message(2, ProtobufText().Packed(1, {0, -1}));
  layouts.Message(3, Dims({}));
  const std::string bytes =
      ProtobufText().Number(1, 0).Message(3, ProtobufText().Text(1, "w").Message(2, layouts)).bytes();
  const StrategyPtr strategy = Parse(bytes);
  ASSERT_NE(strategy, nullptr);
  EXPECT_THAT(strategy->layouts()[0].device_matrix, ElementsAre(2, 4));
  EXPECT_EQ(strategy->layouts()[0].shard_size, 0);
}

TEST(StrategyTest, RefusesWhatIsNoStrategy) {
  EXPECT_THAT(RefusalOf(""), HasSubstr("it is empty"));
  EXPECT_THAT(RefusalOf("not a strategy"), HasSubstr("no strategy that MindSpore has saved"));
  EXPECT_THAT(RefusalOf(ProtobufText().Number(1, 1).bytes()), HasSubstr("the layout of no parameter"));
  EXPECT_THAT(RefusalOf(FileOf({{"w", {{}, {{0}}}}})), HasSubstr("pipeline parallelism only"));
  EXPECT_THAT(RefusalOf(FileOf({{"w", {{4}, {}}}})), HasSubstr("no tensor map"));
  EXPECT_THAT(RefusalOf(FileOf({{"w", {{4}, {{0}}, 0, 0, 7}}})), HasSubstr("cut by hand"));
  EXPECT_THAT(RefusalOf(FileOf({{"a-b", {{4}, {{0}}}}})), AllOf(HasSubstr("'a-b'"), HasSubstr("STAGE-NAME")));
  EXPECT_THAT(RefusalOf(FileOf({{"0-a-b", {{4}, {{0}}}}})), HasSubstr("STAGE-NAME"));
  EXPECT_THAT(RefusalOf(FileOf({{"w", {{4}, {{1}}}}})), HasSubstr("the tensor map has 1, and the device matrix has 1"));
  EXPECT_THAT(RefusalOf(FileOf({{"w", {{4}, {{-2}}}}})), HasSubstr("the tensor map has -2"));
  EXPECT_THAT(RefusalOf(FileOf({{"w", {{4, 2}, {{0, 0}}}}})), HasSubstr("device dim 0 twice"));
  EXPECT_THAT(RefusalOf(FileOf({{"w", {{4, 0}, {{0}}}}})), HasSubstr("a dim of 0"));
  EXPECT_THAT(RefusalOf(FileOf({{"w", {{4'000'000'000, 4'000'000'000, 9}, {{0}}}}})), HasSubstr("more than 1048576"));
  EXPECT_THAT(RefusalOf(FileOf({{"w", {{4, 2}, {{-1, 0}, {1}}}}})), HasSubstr("-1 before another number"));
  EXPECT_THAT(RefusalOf(FileOf({{"0-w", {{4}, {{0}}}}, {"0-w", {{4}, {{-1}}}}})), HasSubstr("stands twice in stage 0"));
  EXPECT_THAT(RefusalOf(FileOf({{"4000000-w", {{4}, {{0}}}}})), HasSubstr("a stage below 1024"));
}

TEST(StrategyTest, AParameterMayBeOnSeveralStages) {
  const StrategyPtr strategy = Parse(
      FileOf({{"1-embed", {{4}, {{0}}}}, {"0-embed", {{4}, {{-1}}}}, {"0-a", {{4}, {{0}}}}, {"1-b", {{4}, {{0}}}}}));
  ASSERT_NE(strategy, nullptr);
  EXPECT_THAT(strategy->stages(), ElementsAre(0, 1));
  EXPECT_EQ(strategy->ranks(), 8u);
  const StrategyParameter& embed = *strategy->Find("embed");
  EXPECT_EQ(embed.SourceEntry().stage, 0u);
  EXPECT_TRUE(embed.IsOn(1));
  EXPECT_FALSE(strategy->Find("b")->IsOn(0));
  EXPECT_EQ(strategy->DestinationEntry(embed, 3).stage, 0u);
  EXPECT_EQ(strategy->DestinationEntry(embed, 4).stage, 1u);
  EXPECT_TRUE(strategy->CheckStages().ok());
  const StrategyPtr gap = Parse(FileOf({{"0-a", {{4}, {{0}}}}, {"2-b", {{4}, {{0}}}}}));
  EXPECT_THAT(std::string(gap->CheckStages().message()), HasSubstr("stage 1 is not among them"));
}

TEST(StrategyTest, ReadsJson) {
  const std::string good = R"({"current_stage": 0, "parallel_strategy_item": {"op": {"stage": 0}},
      "parallel_layout_item": {"w": {"dev_matrix": [2, 4], "tensor_map": [1, -1], "tensor_shape": [8, 8], "field": 0,
      "opt_weight_shard_step": 4, "opt_weight_shard_size": -1}}})";
  const auto strategy = ParseJsonStrategy(good, "s.json");
  ASSERT_TRUE(strategy.ok()) << strategy.status();
  EXPECT_EQ((*strategy)->Find("w")->entries.size(), 1u);
  EXPECT_TRUE((*strategy)->facts().is_json);
  const auto refusal = [](const std::string& text) {
    return std::string(ParseJsonStrategy(text, "s.json").status().message());
  };
  EXPECT_THAT(refusal(R"({"parallel_layout_item": {"w": {"dev_matrix": [2], "tensor_map": [[0]]}}})"),
              HasSubstr("save the strategy as .ckpt"));
  EXPECT_THAT(refusal(R"({"parallel_layout_item": {"w": {"dev_matrix": [-2], "tensor_map": [0]}}})"),
              HasSubstr("no number from 0"));
  EXPECT_THAT(refusal(R"({"parallel_layout_item": {}})"), HasSubstr("the layout of no parameter"));
  EXPECT_THAT(refusal("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal(""), HasSubstr("it is empty"));
}

class MergeStrategiesTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(directory_.path() / name, std::ios::binary) << bytes;
  }
  std::string path() const { return directory_.path(); }
  std::string Refusal() const { return std::string(MergeStrategies(path()).status().message()); }

  MountableDirectory directory_;
};

TEST_F(MergeStrategiesTest, TakesTheFirstFileOfEachStageInTheOrderOfNumbers) {
  Write("ckpt_strategy_rank_10.ckpt", FileOf({{"late", {{2}, {{0}}}}}, 1));
  Write("ckpt_strategy_rank_2.ckpt", FileOf({{"b", {{2}, {{0}}}}}, 1));
  Write("ckpt_strategy_rank_0.ckpt", FileOf({{"a", {{2}, {{0}}}}, {"c", {{2}, {{-1}}}}}, 0));
  Write("ckpt_strategy_rank_1.ckpt", FileOf({{"a", {{2}, {{0}}}}, {"c", {{2}, {{-1}}}}}, 0));
  Write("merged_ckpt_strategy.ckpt", "passed over");
  const auto merged = MergeStrategies(path());
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->files, 4u);
  EXPECT_EQ(merged->stages, 2u);
  ProtobufText expected;
  expected.Number(1, 1).Message(2, StrategyItem("MatMul-op0", 0)).Message(2, StrategyItem("MatMul-op0", 1));
  expected.Message(3, LayoutItem("0-a", {{2}, {{0}}})).Message(3, LayoutItem("0-c", {{2}, {{-1}}}));
  expected.Message(3, LayoutItem("1-b", {{2}, {{0}}}));
  EXPECT_EQ(merged->bytes, expected.bytes());
  const auto strategy = LoadStrategy(path());
  ASSERT_TRUE(strategy.ok()) << strategy.status();
  EXPECT_EQ((*strategy)->ranks(), 4u);
}

TEST_F(MergeStrategiesTest, MergesJsonOnOneLine) {
  const auto text = [](int stage, const char* name) {
    return R"({"current_stage": )" + std::to_string(stage) + R"(, "parallel_strategy_item": {"op": {"stage": )" +
           std::to_string(stage) + R"(, "parallel_strategy": [[1, 2]]}}, "parallel_layout_item": {")" + name +
           R"(": {"dev_matrix": [2], "tensor_map": [0], "tensor_shape": []}}})";
  };
  Write("s_0.json", text(0, "a"));
  Write("s_1.json", text(1, "b"));
  const auto merged = MergeStrategies(path());
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->bytes,
            R"({"current_stage": 1, "parallel_strategy_item": {"op": {"stage": 1, "parallel_strategy": [[1, 2]]}}, )"
            R"("parallel_layout_item": {"0-a": {"dev_matrix": [2], "tensor_map": [0], "tensor_shape": []}, )"
            R"("1-b": {"dev_matrix": [2], "tensor_map": [0], "tensor_shape": []}}})");
}

TEST_F(MergeStrategiesTest, RefusesWhatCannotBeMerged) {
  EXPECT_THAT(Refusal(), HasSubstr("there is no strategy"));
  Write("a.ckpt", ProtobufText().Number(1, 0).Message(3, LayoutItem("w", {{2}, {{0}}})).bytes());
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("'a.ckpt'"), HasSubstr("no strategy of an operator")));
  Write("b.json", "{}");
  EXPECT_THAT(Refusal(), HasSubstr("of both kinds"));
  EXPECT_THAT(std::string(LoadStrategy(path() + "/absent.ckpt").status().message()), HasSubstr("there is no strategy"));
  EXPECT_THAT(std::string(MergeStrategies(path() + "/absent").status().message()), HasSubstr("cannot list"));
}

}  // namespace
}  // namespace shardfs::testing
