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
  const std::pair<const char*, const char*> refusals[] = {
      {"{}", "has no \"server_count\""},
      {"[]", "is no JSON object"},
      {"nonsense", "not valid JSON at line 1, column 1"},
      {"", "is empty (0 bytes)"},
      {R"({"server_count": "two"})", "is \"two\", not a positive number"},
      {R"({"server_count": 0})", "is \"0\", not a positive number"},
      {R"({"server_count": "2x"})", "is \"2x\", not a positive number"},
      {R"({"server_count": 2, "server_count": 2})", "key 'server_count' stands twice"},
      {R"({"server_count": "2", "server_list": [{}]})", "\"server_count\" 2 but 1 entries"},
      {R"({"server_count": "2", "server_list": "xy"})", "\"server_list\" of rank table table.json is not an array"},
  };
  for (const auto& [text, reason] : refusals) {
    const auto count = ParseRankTableServerCount(text, "table.json");
    ASSERT_FALSE(count.ok()) << text;
    EXPECT_EQ(count.status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_NE(count.status().message().find("table.json"), std::string_view::npos) << count.status();
    EXPECT_NE(count.status().message().find(reason), std::string_view::npos) << count.status();
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
