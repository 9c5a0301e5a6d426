#include "shardfs/parallel/rank_table.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace shardfs {
namespace {

TEST(RankTable, TakesTheServerCountAsNumberOrString) {
  EXPECT_EQ(ParseRankTableServerCount(R"({"server_count": "2", "server_list": [{}, {}]})", "t").value(), 2);
  EXPECT_EQ(ParseRankTableServerCount(R"({"server_count": 1})", "t").value(), 1);
}

TEST(RankTable, RefusesWhatDisagreesOrIsNoCount) {
  for (const char* text :
       {"{}", "[]", "nonsense", "", R"({"server_count": "two"})", R"({"server_count": 0})", R"({"server_count": "2x"})",
        R"({"server_count": 2, "server_count": 2})", R"({"server_count": "2", "server_list": [{}]})"}) {
    const auto count = ParseRankTableServerCount(text, "table.json");
    ASSERT_FALSE(count.ok()) << text;
    EXPECT_EQ(count.status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_NE(count.status().message().find("table.json"), std::string_view::npos) << count.status();
  }
}

TEST(RankTable, ReadsAFileAndNamesOneThatIsMissing) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "shardfs_rank_table_test.json";
  std::ofstream(path) << R"({"server_count": "4"})";
  EXPECT_EQ(ReadRankTableServerCount(path).value(), 4);
  std::filesystem::remove(path);
  const auto missing = ReadRankTableServerCount(path);
  EXPECT_EQ(missing.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(missing.status().message().find(path.string()), std::string_view::npos);
}

}  // namespace
}  // namespace shardfs
