#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "parallel/node_ranks.h"
#include "cli/run_shardfs.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

json PlanJson(std::vector<std::string> more = {}, bool mtp = true) {
  more.push_back("--json");
  std::vector<std::string> arguments = GoldenArguments("plan", more);
  if (!mtp) std::replace(arguments.begin(), arguments.end(), std::string("--mtp"), std::string("--no-mtp"));
  const ProgramResult result = RunShardfs(std::move(arguments));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return json::parse(result.out, nullptr, false);
}

TEST(NodeRanksTest, SharesAreConsecutive) {
  EXPECT_EQ(FormatRanks(*RanksOfNode(16, 2, 1)), "8-15");
  EXPECT_EQ(FormatRanks(*RanksOfNode(16, 1, 0)), "0-15");
  EXPECT_EQ(FormatRanks(*RanksOfNode(4, 4, 2)), "2");
  EXPECT_THAT(std::string(RanksOfNode(16, 3, 0).status().message()), AllOf(HasSubstr("3 nodes"), HasSubstr("16")));
  EXPECT_THAT(std::string(RanksOfNode(16, 2, 2).status().message()), AllOf(HasSubstr("node 2"), HasSubstr("2 nodes")));
  EXPECT_FALSE(RanksOfNode(16, 0, 0).ok());
}

TEST(NodeRanksTest, Format) {
  EXPECT_EQ(FormatRanks(RankSet()), "none");
  EXPECT_EQ(FormatRanks(RankSet({0, 1, 2, 5, 7, 8})), "0-2,5,7-8");
}

TEST(PlanTest, TreeIsTheReferencesDirectory) {
  const json plan = PlanJson();
  ASSERT_FALSE(plan.is_discarded());
  std::map<std::string, std::uint64_t> planned;
  for (const json& entry : plan["entries"]) {
    if (entry["type"] == "file") planned[entry["path"]] = entry["bytes"];
  }
  std::map<std::string, std::uint64_t> expected;
  for (const auto& entry : fs::recursive_directory_iterator(GoldenCase() + "/expected")) {
    if (entry.is_regular_file()) expected[fs::relative(entry, GoldenCase() + "/expected")] = entry.file_size();
  }
  EXPECT_EQ(planned, expected);
}

// A layout that says where ranks stand and what they hold, and what only the loader knows.
TEST(PlanTest, SaysWhereRanksStandAndWhatNoFileTells) {
  const std::string golden = SHARDFS_TESTS_DIR "/golden/rank-cut/v3_tp2_ep2_pp2";
  std::vector<std::string> arguments = {"plan",    golden + "/source",       "--layout", "rank-cut",
                                        "--rules", golden + "/rules.json"};
  const ProgramResult text = RunShardfs(arguments);
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("tp 1, pp 1, ep 1: layer"));
  EXPECT_THAT(text.out, HasSubstr("Questions that no file answers"));
  EXPECT_THAT(text.out, HasSubstr("-O router=rolled"));
  const fs::path page = fs::temp_directory_path() / ("shardfs-plan-" + std::to_string(::getpid()) + ".html");
  arguments.insert(arguments.end(), {"--json", "--html", page.string()});
  const json plan = json::parse(RunShardfs(arguments).out, nullptr, false);
  ASSERT_EQ(plan["ranks"].size(), 4u);
  EXPECT_EQ(plan["ranks"][3]["coordinates"]["tp"], 1);
  EXPECT_EQ(plan["ranks"][3]["coordinates"]["pp"], 1);
  EXPECT_GT(plan["ranks"][3]["experts"][0], 0);
  EXPECT_FALSE(plan["questions"].empty());
  std::ifstream file(page);
  const std::string html((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  fs::remove(page);
  EXPECT_THAT(html, HasSubstr("id=\"mesh-table\""));
  EXPECT_THAT(html, HasSubstr("id=\"questions\""));
}

TEST(PlanTest, SumsAgree) {
  const json plan = PlanJson();
  ASSERT_FALSE(plan.is_discarded());
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::map<std::uint64_t, std::uint64_t> by_rank;
  for (const json& entry : plan["entries"]) {
    if (entry["type"] != "file") continue;
    ++files;
    bytes += entry["bytes"].get<std::uint64_t>();
    for (const json& rank : entry["ranks"]) by_rank[rank] += entry["bytes"].get<std::uint64_t>();
  }
  EXPECT_EQ(plan["world_size"], 4);
  EXPECT_EQ(plan["files"], files);
  EXPECT_EQ(plan["bytes"], bytes);
  EXPECT_EQ(plan["entries"][0]["bytes"], bytes) << "the root";
  std::uint64_t loaded = 0;
  ASSERT_EQ(plan["ranks"].size(), 4u);
  for (const json& row : plan["ranks"]) {
    EXPECT_EQ(row["bytes"], by_rank[row["rank"]]) << row;
    loaded += row["bytes"].get<std::uint64_t>();
  }
  EXPECT_EQ(plan["loaded_bytes"], loaded);
  ASSERT_EQ(plan["nodes"].size(), 1u);
  EXPECT_EQ(plan["nodes"][0]["bytes"], bytes) << "one node needs everything";
}

TEST(PlanTest, NodesShareTheRanks) {
  const json plan = PlanJson({"--nnodes", "2"});
  ASSERT_FALSE(plan.is_discarded());
  ASSERT_EQ(plan["nodes"].size(), 2u);
  EXPECT_EQ(plan["nodes"][1]["ranks"], json({2, 3}));
  for (const json& node : plan["nodes"]) {
    std::uint64_t bytes = 0;
    const std::set<std::uint32_t> ranks = node["ranks"];
    for (const json& entry : plan["entries"]) {
      bool needed = false;
      for (const json& rank : entry["ranks"]) needed = needed || ranks.contains(rank.get<std::uint32_t>());
      if (needed && entry["type"] == "file") bytes += entry["bytes"].get<std::uint64_t>();
    }
    EXPECT_EQ(node["bytes"], bytes) << node["node"];
  }
  EXPECT_EQ(plan["ranks"][1]["node"], 0);
  EXPECT_EQ(plan["ranks"][2]["node"], 1);
}

TEST(PlanTest, SourcesOfEachFile) {
  const json plan = PlanJson({"--sources"});
  ASSERT_FALSE(plan.is_discarded());
  for (const json& entry : plan["entries"]) {
    if (entry["type"] != "file" || entry["kind"] != "tensors" || entry["tensors"] == 0) continue;
    ASSERT_TRUE(entry.contains("sources")) << entry;
    for (const json& share : entry["sources"]) {
      const fs::path file = fs::path(GoldenCase()) / "source" / share["file"].get<std::string>();
      EXPECT_LE(share["bytes"].get<std::uint64_t>(), fs::file_size(file)) << "each byte counts once";
    }
  }
  EXPECT_FALSE(PlanJson()["entries"].back().contains("sources"));
}

TEST(PlanTest, Text) {
  const ProgramResult result = RunShardfs(GoldenArguments("plan", {"--sources", "--nnodes", "2"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("├── model-attn-tp-000/"));
  EXPECT_THAT(result.out, HasSubstr("│   └── model.safetensors"));
  EXPECT_THAT(result.out, HasSubstr("tensors from model"));
  EXPECT_THAT(result.out, HasSubstr("rank    3  node   1"));
  EXPECT_THAT(result.out, HasSubstr("node    1       2-3"));
  EXPECT_THAT(result.out, HasSubstr("times the source"));
  EXPECT_THAT(result.out, HasSubstr("Ignored source tensors"));
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(RunShardfs(GoldenArguments("plan", {"--sources", "--nnodes", "2"})).out, result.out) << "deterministic";
}

TEST(PlanTest, WithoutMtpItsTensorsAreIgnoredWithAReason) {
  const json plan = PlanJson({}, false);
  ASSERT_FALSE(plan.is_discarded());
  ASSERT_FALSE(plan["ignored"].empty());
  for (const json& group : plan["ignored"]) {
    EXPECT_NE(group["reason"], "");
    EXPECT_EQ(group["count"], group["names"].size());
  }
}

TEST(PlanTest, Refusals) {
  const ProgramResult nodes = RunShardfs(GoldenArguments("plan", {"--nnodes", "3"}));
  EXPECT_EQ(nodes.exit_code, 2);
  EXPECT_THAT(nodes.err, HasSubstr("3 nodes do not divide the world size of 4"));
  EXPECT_EQ(nodes.out, "");
  const ProgramResult source = RunShardfs({"plan", GoldenCase() + "/missing", "--dp", "2", "--tp", "2"});
  EXPECT_EQ(source.exit_code, 1) << "it may come yet";
  EXPECT_THAT(source.err, Not(HasSubstr("\n\n")));
}

}  // namespace
}  // namespace shardfs
