#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fuse/temporary_mount.h"
#include "option/settings.h"
#include "pipeline/config_file.h"

namespace shardfs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ParseConfigTest, ReadsEverySetting) {
  const auto settings = ParseConfig(
      R"({"layout": "mindie", "world-size": 16, "dp": 2, "tp": 8, "moe_tp": 4, "moe-ep": 4, "sp": -1, "cp": 1,
          "mtp": true, "rank_table": "/etc/rank_table.json", "max-shard-size": "5GB",
          "options": {"fidelity": "sharder", "ep_level": 1, "enable_gating_dp": true}})",
      "shardfs.json");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->layout, "mindie");
  EXPECT_EQ(settings->world_size, 16);
  EXPECT_EQ(settings->dp, 2);
  EXPECT_EQ(settings->tp, 8);
  EXPECT_EQ(settings->moe_tp, 4);
  EXPECT_EQ(settings->moe_ep, 4);
  EXPECT_EQ(settings->sp, -1);
  EXPECT_EQ(settings->cp, 1);
  EXPECT_EQ(settings->mtp, true);
  EXPECT_EQ(settings->rank_table, "/etc/rank_table.json");
  EXPECT_EQ(settings->max_shard_bytes, 5'000'000'000u);
  EXPECT_EQ(settings->layout_options, (std::map<std::string, std::string>{
                                          {"fidelity", "sharder"}, {"ep_level", "1"}, {"enable_gating_dp", "true"}}));
}

TEST(ParseConfigTest, MayBeEmptyAndSizesMayBeNumbers) {
  EXPECT_TRUE(ParseConfig("{}", "c").ok());
  EXPECT_EQ(ParseConfig(R"({"max_shard_size": 40000})", "c")->max_shard_bytes, 40'000u);
  EXPECT_EQ(ParseConfig(R"({"O": {"ep_level": "2"}})", "c")->layout_options.at("ep_level"), "2");
}

TEST(ParseConfigTest, RefusalsNameTheFileAndTheKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"moe_pt": 4})", "\"moe_pt\" is no setting; did you mean moe_tp?"},
      {R"({"worldsize": 4})", "did you mean world_size?"},
      {R"({"fidelity": "loader"})", R"(write "options": {"fidelity": VALUE})"},
      {R"({"frobnicate": 1})", "have the names of the command line's layout options"},
      {R"({"layout": ""})", "\"layout\" is empty; give a value, or leave it out"},
      {R"({"rank_table": ""})", "\"rank_table\" is empty"},
      {R"({"options": {"fidelity": ""}})", "\"fidelity\", which is empty"},
      {R"({"source": "/data"})", "\"source\""},
      {R"({"tp": "8"})", "\"tp\""},
      {R"({"tp": 8.5})", "\"tp\""},
      {R"({"mtp": 1})", "\"mtp\""},
      {R"({"layout": 1})", "\"layout\""},
      {R"({"rank-table": null})", "\"rank-table\""},
      {R"({"max-shard-size": true})", "\"max-shard-size\""},
      {R"({"max-shard-size": "10XB"})", "\"max-shard-size\""},
      {R"({"options": []})", "\"options\""},
      {R"({"options": {"ep_level": [1]}})", "\"ep_level\""},
      {R"({"options": {"a": "1"}, "O": {"a": "2"}})", "\"a\""},
      {R"({"moe-tp": 4, "moe_tp": 4})", "moe_tp"},
      {R"({"tp": 8, "tp": 4})", "tp"},
      {R"([1])", "object"},
      {R"({"tp": )", "shardfs.json"},
      {"", "shardfs.json"},
  };
  for (const auto& [json, named] : cases) {
    const auto settings = ParseConfig(json, "shardfs.json");
    ASSERT_FALSE(settings.ok()) << json;
    EXPECT_EQ(settings.status().code(), StatusCode::kInvalidArgument) << json;
    EXPECT_THAT(std::string(settings.status().message()), AllOf(HasSubstr("shardfs.json"), HasSubstr(named))) << json;
  }
}

TEST(ReadConfigFileTest, MissingFileIsNamed) {
  const auto settings = ReadConfigFile("/nonexistent/shardfs.json");
  ASSERT_FALSE(settings.ok());
  EXPECT_EQ(ToExitCode(settings.status().code()), 2);
  EXPECT_THAT(std::string(settings.status().message()), HasSubstr("/nonexistent/shardfs.json"));
}

TEST(ReadConfigFileTest, WhatIsNoFileIsRefusedAtOnce) {
  const MountableDirectory directory;
  const std::string fifo = directory.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {std::string("/"), fifo}) {
    const auto settings = ReadConfigFile(path);
    ASSERT_FALSE(settings.ok());
    EXPECT_EQ(ToExitCode(settings.status().code()), 2);
    EXPECT_THAT(std::string(settings.status().message()), HasSubstr("cannot read " + path + ": it is not a regular"));
  }
}

}  // namespace
}  // namespace shardfs
