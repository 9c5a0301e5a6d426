// The files of an inference network's ranks: names, ranks, and what hyper_param.safetensors adds.
#include "layout/mindspore/mindspore_net_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "layout/mindspore/mindspore_files.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class MindsporeNetLayoutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteStrategy(Path("dst.ckpt"), {{"w", FlatLayout({2}, {0, -1})}, {"b", FlatLayout({2}, {-1})}});
    WriteTensors(Path("one") / "any.safetensors",
                 {{"w", Counting({4, 2}, 0)}, {"b", Counting({3}, 50)}, {"x", Counting({1}, 9)}},
                 {{"format", "ms"}, {"b", "Int4"}, {"other", "y"}});
    WriteTensors(Path("u") / "part0.safetensors", {{"w", Counting({4, 2}, 0)}, {"b", Counting({3}, 50)}});
    WriteTensors(Path("u") / "hyper_param.safetensors", {{"lr", Counting({1}, 7)}, {"w", Counting({2, 2}, 70)}});
    std::ofstream(Path("u") / "param_name_map.json")
        << R"({"weight_map": {"w": "part0.safetensors", "b": "part0.safetensors"}})";
  }

  fs::path Path(const std::string& name) const { return directory_.path() / name; }
  Result<View> Show(const std::string& source, GivenOptions options = {}, bool has_strategy = true) const {
    if (has_strategy) options.emplace_back("dst_strategy", Path("dst.ckpt"));
    return ViewOf<MindsporeNetLayout>(OpenMindspore(Path(source), {}), options);
  }
  static U32Tensors Rank(const Result<View>& view, int rank) {
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? TensorsOf(FilesOf(*view)["rank_" + std::to_string(rank) + "/net.safetensors"]) : U32Tensors{};
  }
  static std::string Refusal(const Result<View>& view) { return std::string(view.status().message()); }

  MountableDirectory directory_;
};

TEST_F(MindsporeNetLayoutTest, CutsTheNamesOfTheStrategyAndDropsTheRest) {
  const auto view = Show("one");
  EXPECT_EQ(Rank(view, 1), (U32Tensors{{"w", Counting({2, 2}, 4)}, {"b", Counting({3}, 50)}}));
  ASSERT_EQ(view->ignored.size(), 1u);
  EXPECT_EQ(view->ignored[0].name, "x");
  EXPECT_THAT(MetadataOf(FilesOf(*view)["rank_0/net.safetensors"]),
              ElementsAre(Pair("b", "Int4"), Pair("format", "ms")));
}

TEST_F(MindsporeNetLayoutTest, ShowsOneRankWhereItIsAskedFor) {
  const auto view = Show("one", {{"rank_id", "1"}});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(FilesOf(*view).size(), 1u);
  EXPECT_EQ(Rank(view, 1)["w"], Counting({2, 2}, 4));
  EXPECT_THAT(Refusal(Show("one", {{"rank_id", "2"}})), AllOf(HasSubstr("rank_id is 2"), HasSubstr("2 ranks")));
  EXPECT_THAT(Refusal(Show("one", {{"rank_id", "x"}})), HasSubstr("must be the number of a rank"));
  EXPECT_EQ(Rank(Show("one", {{"rank_id", "3"}}, false), 3).size(), 3u);
}

TEST_F(MindsporeNetLayoutTest, TranslatesNames) {
  std::ofstream(Path("map.json")) << R"({"w": "x"})";
  WriteTensors(Path("one") / "any.safetensors", {{"x", Counting({4, 2}, 0)}});
  EXPECT_EQ(Rank(Show("one", {{"name_map", Path("map.json")}}), 0), (U32Tensors{{"w", Counting({2, 2}, 0)}}));
  EXPECT_THAT(Refusal(Show("one")), HasSubstr("none of the network's names is in the source"));
}

TEST_F(MindsporeNetLayoutTest, HyperParametersComeOverTheCutOnesUnlessComplete) {
  const auto view = Show("u");
  EXPECT_EQ(Rank(view, 0),
            (U32Tensors{{"w", Counting({2, 2}, 70)}, {"b", Counting({3}, 50)}, {"lr", Counting({1}, 7)}}));
  EXPECT_THAT(view->warnings, Contains(AllOf(HasSubstr("'w'"), HasSubstr("uncut"))));
  EXPECT_EQ(Rank(Show("u", {{"complete", "true"}}), 1)["w"], Counting({2, 2}, 4));
}

TEST_F(MindsporeNetLayoutTest, RefusesMarksThatItDoesNotKnow) {
  WriteTensors(Path("one") / "any.safetensors", {{"w", Counting({4, 2}, 0)}}, {{"w", "Int2"}});
  EXPECT_THAT(Refusal(Show("one")), AllOf(HasSubstr("'Int2'"), HasSubstr("only Int4 is known")));
}

}  // namespace
}  // namespace shardfs::testing
