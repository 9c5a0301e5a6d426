// The transform of ranks: what the tools lose or spoil is refused or told, and `complete` shows it.
#include "layout/mindspore/mindspore_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "layout/huggingface/huggingface_reader.h"
#include "layout/mindspore/mindspore_files.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// Two stages of two devices; embed is shared by both. The whole tensors are [4, 2], cut by rows.
class MindsporeLayoutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const ParameterLayout rows = FlatLayout({2}, {0, -1});
    source_ = {{"0-embed", rows}, {"0-a", rows}, {"1-b", rows}, {"1-embed", rows}, {"0-adam_m.a", rows}};
    WriteStrategy(Path("src.ckpt"), source_);
    for (std::uint32_t rank = 0; rank < 4; ++rank) WriteRank(rank);
  }

  fs::path Path(const std::string& name) const { return directory_.path() / name; }

  static U32Tensor Rows(std::uint32_t first, std::uint32_t half) { return Counting({2, 2}, first + 4 * half); }

  U32Tensors RankTensors(std::uint32_t rank) const {
    U32Tensors tensors = {{"embed", Rows(100, rank % 2)}, {"lr", Counting({1}, 5)}};
    if (rank < 2) {
      tensors["a"] = Rows(0, rank);
      tensors["adam_m.a"] = Rows(200, rank);
    } else {
      tensors["b"] = Rows(50, rank - 2);
    }
    return tensors;
  }
  void WriteRank(std::uint32_t rank, const std::string& step = "1_1") const {
    WriteTensors(Path("c") / ("rank_" + std::to_string(rank)) / ("m-" + step + ".safetensors"), RankTensors(rank),
                 {{"format", "ms"}, {"crc_num", "7"}});
  }

  Result<View> Show(const std::vector<NamedLayout>& destination, GivenOptions options = {}) const {
    if (!destination.empty()) {
      WriteStrategy(Path("dst.ckpt"), destination);
      options.emplace_back("dst_strategy", Path("dst.ckpt"));
    }
    return ViewOf<MindsporeLayout>(OpenMindspore(Path("c"), {{"src_strategy", Path("src.ckpt")}}), options);
  }
  static std::string Refusal(const Result<View>& view) { return std::string(view.status().message()); }
  static U32Tensors Rank(const Result<View>& view, int rank) {
    EXPECT_TRUE(view.ok()) << view.status();
    if (!view.ok()) return {};
    const std::string number = std::to_string(rank);
    return TensorsOf(FilesOf(*view)["rank_" + number + "/checkpoint_" + number + ".safetensors"]);
  }

  MountableDirectory directory_;
  std::vector<NamedLayout> source_;
};

TEST_F(MindsporeLayoutTest, WithoutADestinationOneRankHasAll) {
  const auto view = Show({});
  EXPECT_EQ(Rank(view, 0), (U32Tensors{{"a", Counting({4, 2}, 0)},
                                       {"adam_m.a", Counting({4, 2}, 200)},
                                       {"b", Counting({4, 2}, 50)},
                                       {"embed", Counting({4, 2}, 100)},
                                       {"lr", Counting({1}, 5)}}));
}

TEST_F(MindsporeLayoutTest, WhatTheDestinationDoesNotKnowIsHandedOnAsSlicesAndTold) {
  const ParameterLayout whole = FlatLayout({2}, {-1, -1});
  const auto view = Show({{"embed", whole}, {"a", whole}, {"b", whole}});
  EXPECT_EQ(Rank(view, 1)["adam_m.a"], Rows(200, 1));
  EXPECT_EQ(Rank(view, 1)["b"], Counting({4, 2}, 50));
  EXPECT_THAT(view->warnings, Contains(AllOf(HasSubstr("'adam_m.a'"), HasSubstr("not in the destination's"))));
  EXPECT_THAT(view->account, Contains(HasSubstr("adam_m.a")));
}

TEST_F(MindsporeLayoutTest, ASharedParameterThatTheToolsLoseIsRefused) {
  const ParameterLayout whole = FlatLayout({1}, {-1, -1});
  const std::vector<NamedLayout> destination = {{"1-embed", FlatLayout({2}, {-1, -1})},
                                                {"0-a", FlatLayout({2}, {-1, -1})},
                                                {"1-b", FlatLayout({2}, {-1, -1})},
                                                {"0-embed", FlatLayout({2}, {-1, -1})},
                                                {"0-adam_m.a", FlatLayout({2}, {-1, -1})}};
  EXPECT_THAT(Refusal(Show(destination)), AllOf(HasSubstr("'embed'"), HasSubstr("for stage 1 only"),
                                                HasSubstr("rank 0 would be without it"), HasSubstr("--complete")));
  const auto view = Show(destination, {{"complete", "true"}});
  EXPECT_EQ(Rank(view, 0)["embed"], Counting({4, 2}, 100));
  EXPECT_EQ(Rank(view, 3)["embed"], Counting({4, 2}, 100));
  EXPECT_THAT(MetadataOf(FilesOf(*view)["rank_0/checkpoint_0.safetensors"]), ElementsAre(Pair("format", "ms")));
}

TEST_F(MindsporeLayoutTest, AMissingRankIsNamedWithTheOneThatNeedsIt) {
  fs::remove_all(Path("c") / "rank_3");
  EXPECT_THAT(Refusal(Show({})), AllOf(HasSubstr("rank 0 of the destination"), HasSubstr("rank 3 of the source")));
  EXPECT_THAT(Refusal(Show({}, {{"complete", "true"}})), AllOf(HasSubstr("'b'"), HasSubstr("rank 3 of the source")));
}

TEST_F(MindsporeLayoutTest, FilesOfDifferentStepsAreRefusedOrTakenFromTheCommonStep) {
  for (std::uint32_t rank = 0; rank < 3; ++rank) WriteRank(rank, "1_2");
  EXPECT_THAT(Refusal(Show({})), AllOf(HasSubstr("1_2 for rank 2"), HasSubstr("1_1 for rank 3")));
  const auto view = Show({}, {{"complete", "true"}});
  EXPECT_EQ(Rank(view, 0)["b"], Counting({4, 2}, 50));
  EXPECT_THAT(view->warnings, Contains(HasSubstr("those of 1_1")));
}

TEST_F(MindsporeLayoutTest, DeviceNumbersMustDivide) {
  EXPECT_THAT(Refusal(Show({{"a", FlatLayout({3}, {-1, -1})}, {"b", FlatLayout({3}, {-1, -1})}})),
              AllOf(HasSubstr("over 2 devices"), HasSubstr("over 3")));
}

TEST_F(MindsporeLayoutTest, ShapesMustDivide) {
  EXPECT_THAT(Refusal(Show({{"a", FlatLayout({4}, {-1, 0})}, {"b", FlatLayout({4}, {0, -1})}})),
              AllOf(HasSubstr("'a'"), HasSubstr("[4, 2]"), HasSubstr("4 parts")));
}

TEST_F(MindsporeLayoutTest, NamesMustFit) {
  EXPECT_THAT(Refusal(Show({{"x", FlatLayout({2}, {-1, -1})}})), HasSubstr("the names do not fit"));
}

TEST_F(MindsporeLayoutTest, StagesMustBeWhole) {
  EXPECT_THAT(Refusal(Show({{"1-a", FlatLayout({2}, {-1, -1})}})), HasSubstr("stage 0 is not among them"));
}

TEST_F(MindsporeLayoutTest, StagesOfOneDeviceNeedComplete) {
  const ParameterLayout one = FlatLayout({1}, {-1, -1});
  const std::vector<NamedLayout> destination = {{"0-a", one}, {"1-b", one}, {"2-embed", one}, {"0-adam_m.a", one}};
  EXPECT_THAT(Refusal(Show(destination)), HasSubstr("--complete"));
  const auto view = Show(destination, {{"complete", "true"}});
  EXPECT_EQ(Rank(view, 1), (U32Tensors{{"b", Counting({4, 2}, 50)}, {"lr", Counting({1}, 5)}}));
  EXPECT_EQ(Rank(view, 2)["embed"], Counting({4, 2}, 100));
}

TEST_F(MindsporeLayoutTest, CutsAnyOtherSource) {
  TinyCheckpoint plain;
  plain.AddShard("model.safetensors", {{"a", Dtype::kF32, {4, 2}}, {"extra", Dtype::kF32, {1}}});
  WriteStrategy(Path("dst.ckpt"), {{"a", FlatLayout({2}, {0, -1})}});
  const auto view = ViewOf<MindsporeLayout>(plain.Open(), {{"dst_strategy", Path("dst.ckpt")}, {"prefix", "p"}});
  ASSERT_TRUE(view.ok()) << view.status();
  const auto files = FilesOf(*view);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(TensorsOf(files.at("rank_1/p1.safetensors")).at("a").shape, (Shape{2, 2}));
  EXPECT_EQ(TensorsOf(files.at("rank_1/p1.safetensors")).at("extra").shape, (Shape{1}));
}

TEST_F(MindsporeLayoutTest, RefusesSeveralRanksWithoutAStrategy) {
  WriteStrategy(Path("dst.ckpt"), {{"a", FlatLayout({2}, {0, -1})}});
  EXPECT_THAT(Refusal(ViewOf<MindsporeLayout>(OpenMindspore(Path("c"), {}), {{"dst_strategy", Path("dst.ckpt")}})),
              HasSubstr("give --src-strategy"));
}

TEST_F(MindsporeLayoutTest, RefusesAPrefixThatIsAPath) {
  EXPECT_THAT(Refusal(Show({}, {{"prefix", "a/b"}})), HasSubstr("must hold no '/'"));
}

}  // namespace
}  // namespace shardfs::testing
