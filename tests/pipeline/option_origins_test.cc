#include "pipeline/option_origins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <utility>

#include "cli/environment.h"
#include "fuse/temporary_mount.h"
#include "shardfs/layout/registry.h"

namespace shardfs {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs OptionsOf(const std::vector<GivenOption>& given) {
  Pairs pairs;
  for (const GivenOption& option : given) pairs.emplace_back(option.name, option.text);
  return pairs;
}

// What a file comes to with the options of everything that can be read and shown, as each of them is checked.
Status Check(const std::string& json) {
  const auto config = ParseConfigFile(json, "shardfs.json");
  if (!config.ok()) return config.status();
  const std::vector<OptionTaker> takers = AllTakers();
  const auto values = OptionValues::Create(config->options, SpecsOf(takers));
  if (!values.ok()) return values.status();
  return RequireTaken(*values, takers, takers, "mindie");
}

TEST(ParseConfigFileTest, ReadsEverySetting) {
  const auto config = ParseConfigFile(
      R"({"layout": "mindie", "from": "huggingface", "world-size": 16, "dp": 2, "tp": 8, "moe_tp": 4, "moe-ep": 4,
          "sp": -1, "cp": 1, "mtp": true, "rank_table": "/etc/rank_table.json", "max-shard-size": "5GB",
          "options": {"fidelity": "sharder", "ep_level": 1, "enable_gating_dp": true}})",
      "shardfs.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->layout, "mindie");
  EXPECT_EQ(config->from, "huggingface");
  EXPECT_EQ(OptionsOf(config->options), (Pairs{{"world_size", "16"},
                                               {"dp", "2"},
                                               {"tp", "8"},
                                               {"moe_tp", "4"},
                                               {"moe_ep", "4"},
                                               {"sp", "-1"},
                                               {"cp", "1"},
                                               {"mtp", "true"},
                                               {"rank_table", "/etc/rank_table.json"},
                                               {"max_shard_size", "5GB"},
                                               {"fidelity", "sharder"},
                                               {"ep_level", "1"},
                                               {"enable_gating_dp", "true"}}));
  for (const GivenOption& option : config->options) EXPECT_EQ(option.origin, OptionOrigin::kConfigFile) << option.name;
  EXPECT_EQ(config->options.front().where, "shardfs.json: \"world-size\"");
}

TEST(ParseConfigFileTest, MayBeEmptyAndSizesMayBeNumbers) {
  EXPECT_TRUE(ParseConfigFile("{}", "c").ok());
  EXPECT_TRUE(Check(R"({"max_shard_size": 40000})").ok());
  EXPECT_THAT(OptionsOf(ParseConfigFile(R"({"O": {"ep_level": "2"}})", "c")->options),
              ElementsAre(Pair("ep_level", "2")));
  EXPECT_TRUE(Check(R"({"fidelity": "loader"})").ok()) << "an option of one layout needs no object of its own";
}

TEST(ParseConfigFileTest, AListGivesAnOptionOnceForEachItem) {
  EXPECT_THAT(OptionsOf(ParseConfigFile(R"({"drop": ["a", "b,c"]})", "c")->options),
              ElementsAre(Pair("drop", "a"), Pair("drop", "b,c")));
  EXPECT_TRUE(Check(R"({"drop": ["a", "b"]})").ok());
}

TEST(ParseConfigFileTest, RefusalsNameTheFileAndTheKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"moe_pt": 4})", "did you mean moe_tp?"},
      {R"({"worldsize": 4})", "did you mean world_size?"},
      {R"({"frobnicate": 1})", "\"frobnicate\""},
      {R"({"layout": ""})", "\"layout\""},
      {R"({"rank_table": ""})", "\"rank_table\" is empty"},
      {R"({"options": {"fidelity": ""}})", "\"fidelity\" is empty"},
      {R"({"source": "/data"})", "\"source\""},
      {R"({"tp": "eight"})", "\"tp\""},
      {R"({"tp": 8.5})", "\"tp\""},
      {R"({"tp": [4, 8]})", "\"tp\""},
      {R"({"mtp": 2})", "\"mtp\""},
      {R"({"layout": 1})", "\"layout\""},
      {R"({"from": 1})", "\"from\""},
      {R"({"rank-table": null})", "\"rank-table\""},
      {R"({"max-shard-size": true})", "\"max-shard-size\""},
      {R"({"max-shard-size": "10XB"})", "\"max-shard-size\""},
      {R"({"options": []})", "\"options\""},
      {R"({"options": {"ep_level": [[1]]}})", "\"ep_level\""},
      {R"({"options": {"ep_level": {}}})", "\"ep_level\""},
      {R"({"options": {"a": "1"}, "O": {"a": "2"}})", "\"a\""},
      {R"({"fidelity": "loader", "options": {"fidelity": "loader"}})", "\"fidelity\" is given twice"},
      {R"({"moe-tp": 4, "moe_tp": 4})", "moe_tp"},
      {R"({"tp": 8, "tp": 4})", "tp"},
      {R"([1])", "object"},
      {R"({"tp": )", "shardfs.json"},
      {"", "shardfs.json"},
  };
  for (const auto& [json, named] : cases) {
    const Status status = Check(json);
    ASSERT_FALSE(status.ok()) << json;
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << json;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("shardfs.json"), HasSubstr(named))) << json;
  }
}

TEST(ReadConfigFileTest, MissingFileIsNamed) {
  const auto config = ReadConfigFile("/nonexistent/shardfs.json");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(ToExitCode(config.status().code()), 2);
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("/nonexistent/shardfs.json"));
}

TEST(ReadConfigFileTest, WhatIsNoFileIsRefusedAtOnce) {
  const MountableDirectory directory;
  const std::string fifo = directory.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {std::string("/"), fifo}) {
    const auto config = ReadConfigFile(path);
    ASSERT_FALSE(config.ok());
    EXPECT_EQ(ToExitCode(config.status().code()), 2);
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("cannot read " + path + ": it is not a regular"));
  }
}

constexpr OptionSpec kMtp{.name = "mtp",
                          .kind = OptionKind::kSwitch,
                          .value = "",
                          .summary = "the MTP layer",
                          .fallback = "no",
                          .environment = "DEEPSEEK_MTP",
                          .is_yes_unless_0 = true};
constexpr OptionSpec kUp{.name = "dp_partition_up",
                         .kind = OptionKind::kSwitch,
                         .value = "",
                         .summary = "how lm_head is split",
                         .fallback = "no",
                         .environment = "DP_PARTITION_UP_ENABLE"};
constexpr OptionSpec kRankTable{.name = "rank_table",
                                .kind = OptionKind::kFile,
                                .value = "FILE",
                                .summary = "the rank table",
                                .fallback = "",
                                .environment = "RANK_TABLE_FILE"};
constexpr OptionSpec kTp{"tp", OptionKind::kCount, "N", "ranks", "1"};
constexpr std::array<const OptionSpec*, 4> kSpecs = {&kMtp, &kRankTable, &kTp, &kUp};

TEST(OptionsOfEnvironmentTest, SilentWhenNothingIsSet) {
  const CleanEnvironment clean;
  const auto options = OptionsOfEnvironment(kSpecs);
  ASSERT_TRUE(options.ok());
  EXPECT_THAT(*options, IsEmpty());
}

TEST(OptionsOfEnvironmentTest, EmptyVariablesAreSilent) {
  const ScopedVariable mtp("DEEPSEEK_MTP", "");
  const ScopedVariable rank_table("RANK_TABLE_FILE", "");
  const auto options = OptionsOfEnvironment(kSpecs);
  ASSERT_TRUE(options.ok());
  EXPECT_THAT(*options, IsEmpty());
}

TEST(OptionsOfEnvironmentTest, OtherSwitchesAre0Or1) {
  const CleanEnvironment clean;
  const ScopedVariable up("DP_PARTITION_UP_ENABLE", "2");
  const auto options = OptionsOfEnvironment(kSpecs);
  ASSERT_FALSE(options.ok());
  EXPECT_THAT(std::string(options.status().message()), HasSubstr("must be 0 or 1"));
}

TEST(OptionsOfEnvironmentTest, DeepseekMtpIsAnyIntegerButZero) {
  const CleanEnvironment clean;
  for (const auto& [text, expected] : {std::pair{"0", "false"}, {"1", "true"}, {"2", "true"}, {"-1", "true"}}) {
    const ScopedVariable mtp("DEEPSEEK_MTP", text);
    const auto options = OptionsOfEnvironment(kSpecs);
    ASSERT_TRUE(options.ok()) << options.status();
    EXPECT_THAT(OptionsOf(*options), ElementsAre(Pair("mtp", expected))) << text;
    EXPECT_EQ(options->front().origin, OptionOrigin::kEnvironment);
  }
  const ScopedVariable mtp("DEEPSEEK_MTP", "yes");
  const auto options = OptionsOfEnvironment(kSpecs);
  ASSERT_FALSE(options.ok());
  EXPECT_THAT(std::string(options.status().message()), AllOf(HasSubstr("DEEPSEEK_MTP"), HasSubstr("'yes'")));
}

TEST(OptionsOfEnvironmentTest, OtherOptionsAreTakenAsTheyAre) {
  const CleanEnvironment clean;
  const ScopedVariable rank_table("RANK_TABLE_FILE", "/etc/rank_table.json");
  const auto options = OptionsOfEnvironment(kSpecs);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(OptionsOf(*options), ElementsAre(Pair("rank_table", "/etc/rank_table.json")));
  EXPECT_EQ(options->front().where, "the environment's RANK_TABLE_FILE");
}

}  // namespace
}  // namespace shardfs
