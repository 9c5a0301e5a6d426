#include "layout/mindie/config/mindie_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "cli/mindie_files.h"
#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class MindieConfigTest : public ::testing::Test {
 protected:
  std::string Write(const json& document, const std::string& name = "config.json") {
    WriteFile(root_ / name, document.dump(2));
    return root_ / name;
  }

  // The sizes of the first model of a file.
  static Result<MindieMapping> Sizes(const json& document, std::optional<std::int64_t> servers = std::nullopt) {
    const auto config = ParseMindieServerConfig(document.dump(), "config.json");
    if (!config.ok()) return config.status();
    return MindieSizes(*config, config->models.front(), servers);
  }

  static std::string Message(const Status& status) { return std::string(status.message()); }

  TemporaryDirectory root_;
};

TEST_F(MindieConfigTest, ReadsSizesAndWhatElseDecides) {
  const json document = MindieServerJson(
      "/mnt/r1", {{"worldSize", 16},
                  {"dp", 2},
                  {"tp", 8},
                  {"moe_tp", "4"},
                  {"moe_ep", 4},
                  {"sp", -1},
                  {"plugin_params", R"({"plugin_type": "mtp", "num_speculative_tokens": 1})"},
                  {"models", {{"deepseekv2", {{"ep_level", 2}, {"h3p", {{"enable_gating_dp", "true"}}}}}}}});
  const auto config = ParseMindieServerConfig(document.dump(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->models.size(), 1u);
  const MindieModelConfig& model = config->models.front();
  EXPECT_EQ(model.weight_path, "/mnt/r1");
  EXPECT_TRUE(model.mtp);
  EXPECT_EQ(model.layout_options,
            (std::map<std::string, std::string>{{"ep_level", "2"}, {"enable_gating_dp", "true"}}));
  const auto sizes = MindieSizes(*config, model, std::nullopt);
  ASSERT_TRUE(sizes.ok()) << sizes.status();
  EXPECT_EQ(sizes->world_size(), 16u);
  EXPECT_EQ(sizes->moe_tp(), 4u) << "a decimal string is a number to MindIE";
  EXPECT_EQ(sizes->sp(), 1u);
}

TEST_F(MindieConfigTest, MissingSizesAreMindiesDefaults) {
  const auto sizes = Sizes(MindieServerJson("/m", {{"worldSize", 8}, {"dp", -1}}));
  ASSERT_TRUE(sizes.ok()) << sizes.status();
  EXPECT_EQ(sizes->tp(), 8u);
  EXPECT_EQ(sizes->dp(), 1u);
  EXPECT_EQ(sizes->moe_tp(), 8u);
  EXPECT_EQ(sizes->moe_ep(), 1u);
}

TEST_F(MindieConfigTest, WorldSizeOfSeveralNodesIsOneNodes) {
  const json sizes = {{"worldSize", 8}, {"dp", 2}, {"tp", 8}, {"moe_tp", 4}, {"moe_ep", 4}};
  for (const std::optional<std::int64_t> servers : {std::optional<std::int64_t>(2), std::optional<std::int64_t>()}) {
    const auto two = Sizes(MindieServerJson("/m", sizes, true), servers);
    ASSERT_TRUE(two.ok()) << two.status();
    EXPECT_EQ(two->world_size(), 16u);
    EXPECT_EQ(two->nodes(), 2u);
  }
  const auto one = Sizes(MindieServerJson("/m", sizes, false));
  ASSERT_FALSE(one.ok());
  EXPECT_THAT(Message(one.status()), AllOf(HasSubstr("16"), HasSubstr("8"), HasSubstr("multiNodesInferEnabled")));
  const auto unknown = Sizes(MindieServerJson("/m", {{"worldSize", 8}}, true));
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(Message(unknown.status()), HasSubstr("--rank-table"));
  const auto odd = Sizes(MindieServerJson("/m", {{"worldSize", 8}, {"tp", 12}}, true));
  ASSERT_FALSE(odd.ok());
  EXPECT_THAT(Message(odd.status()), AllOf(HasSubstr("12"), HasSubstr("8")));
}

TEST_F(MindieConfigTest, RefusesWhatIsNoConfiguration) {
  const std::pair<json, const char*> cases[] = {
      {json{{"hidden_size", 7168}}, "not that of a model"},
      {MindieServerJson("/m", {{"tp", 0}}), "\"tp\""},
      {MindieServerJson("/m", {{"tp", "eight"}}), "'eight'"},
      {MindieServerJson("/m", {{"dp", 1.5}}), "\"dp\""},
      {MindieServerJson("/m", {{"modelWeightPath", 3}}), "modelWeightPath"},
      {MindieServerJson("/m", {{"plugin_params", "{"}}), "plugin_params"},
      {MindieServerJson("/m", {{"plugin_params", 0}}), "\"plugin_params\" must be an object"},
      {MindieServerJson("/m", {{"plugin_params", "[]"}}), "\"plugin_params\" must be an object"},
      {MindieServerJson("/m", {{"models", 1}}), "\"models\" must be an object"},
      {MindieServerJson("/m", {{"models", {{"deepseekv2", "x"}}}}), "\"deepseekv2\" must be an object"},
      {MindieServerJson("/m", {{"models", {{"deepseekv2", {{"h3p", true}}}}}}), "\"h3p\" must be an object"},
      {MindieServerJson("/m", {{"models", {{"deepseekv2", {{"eplb", 1}}}}}}), "\"eplb\" must be an object"},
      {MindieServerJson("/m", {{"models", {{"deepseekv2", {{"ep_level", "high"}}}}}}), "ep_level"},
      {MindieServerJson("/m", {{"models", {{"deepseekv2", {{"o_proj_local_tp", 2}}}}}}), "o_proj_local_tp"},
      {MindieServerJson("/m", {{"models", {{"deepseekv2", {{"parallel_options", {{"lm_head_local_tp", 16}}}}}}}}),
       "lm_head_local_tp"},
      {MindieServerJson("/m", {{"models", {{"deepseekv2", {{"eplb", {{"level", 1}}}}}}}}), "eplb.level"},
      {MindieServerJson("/m", {{"models", {{"deepseekv2", {{"mix_shared_routing", true}}}}}}), "mix_shared_routing"},
  };
  for (const auto& [document, named] : cases) {
    const auto config = ParseMindieServerConfig(document.dump(), "config.json");
    ASSERT_FALSE(config.ok()) << named;
    EXPECT_THAT(Message(config.status()), HasSubstr(named));
    EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument) << named;
  }
  for (const json& value : {json("true"), json(1), json(nullptr)}) {
    json document = MindieServerJson("/m", json::object());
    document["BackendConfig"]["multiNodesInferEnabled"] = value;
    const auto config = ParseMindieServerConfig(document.dump(), "config.json");
    ASSERT_FALSE(config.ok()) << value;
    EXPECT_THAT(Message(config.status()), HasSubstr("\"multiNodesInferEnabled\" is"));
    EXPECT_THAT(Message(config.status()), HasSubstr("must be true or false"));
  }
  EXPECT_FALSE(ReadMindieServerConfig(root_ / "missing.json").ok());
  EXPECT_EQ(ReadMindieServerConfig(root_ / "missing.json").status().code(), StatusCode::kInvalidArgument);
}

TEST_F(MindieConfigTest, ChoosesTheModelOfTheDirectory) {
  json document = MindieServerJson("/mnt/one", json::object());
  json& models = document["BackendConfig"]["ModelDeployConfig"]["ModelConfig"];
  models.push_back(models[0]);
  models[1]["modelWeightPath"] = root_ / "two";
  const auto config = ParseMindieServerConfig(document.dump(), "config.json");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(*config->Choose(root_ / "two/"), &config->models[1]);
  const auto neither = config->Choose("/mnt/three");
  ASSERT_FALSE(neither.ok());
  EXPECT_THAT(Message(neither.status()), AllOf(HasSubstr("/mnt/one"), HasSubstr("/mnt/three")));
}

TEST_F(MindieConfigTest, OptionsThatDisagreeAreRefusedWithBothNumbers) {
  const std::string file = Write(MindieServerJson(
      "/m", {{"dp", 2},
             {"tp", 2},
             {"moe_ep", 2},
             {"models", {{"deepseekv2", {{"ep_level", 1}}}}},
             {"plugin_params", {{"plugin_type", "mtp,memory_decoding"}, {"num_speculative_tokens", 1}}}}));
  LayoutSettings same;
  same.tp = 2;
  same.dp = -1;
  same.layout_options = {{"ep_level", "1"}};
  const auto fits = ApplyMindieConfig(file, "", same);
  ASSERT_TRUE(fits.ok()) << fits.status();
  EXPECT_EQ(fits->settings.dp, 2);
  EXPECT_EQ(fits->settings.world_size, 4);
  EXPECT_EQ(fits->settings.mtp, true);
  EXPECT_TRUE(fits->warnings.empty()) << "nobody asked where";

  LayoutSettings other = same;
  other.tp = 4;
  EXPECT_THAT(Message(ApplyMindieConfig(file, "", other).status()),
              AllOf(HasSubstr("tp is 4"), HasSubstr("2 for"), HasSubstr("leave --tp out")));
  other = same;
  other.layout_options = {{"ep_level", "2"}};
  EXPECT_THAT(Message(ApplyMindieConfig(file, "", other).status()),
              AllOf(HasSubstr("ep_level is 2"), HasSubstr("1 for"), HasSubstr("leave -O ep_level out")));
  other = same;
  other.mtp = false;
  EXPECT_THAT(Message(ApplyMindieConfig(file, "", other).status()),
              AllOf(HasSubstr("--no-mtp"), HasSubstr("out of plugin_params")));
}

TEST_F(MindieConfigTest, WarnsOfAnotherPlace) {
  const std::string file = Write(MindieServerJson("/mnt/r1", {{"dp", 2}, {"tp", 2}, {"moe_ep", 2}}));
  const auto elsewhere = ApplyMindieConfig(file, root_ / "view", {});
  ASSERT_TRUE(elsewhere.ok()) << elsewhere.status();
  ASSERT_EQ(elsewhere->warnings.size(), 1u);
  EXPECT_THAT(elsewhere->warnings.front(), AllOf(HasSubstr("/mnt/r1"), HasSubstr(root_ / "view")));
}

TEST_F(MindieConfigTest, TheCommandsTakeTheirSizesFromIt) {
  const std::string source = GoldenCase() + "/source";
  const std::string view = root_ / "view";
  const std::string file = Write(MindieServerJson(view, {{"dp", 2}, {"tp", 2}, {"moe_ep", 2}}));
  const ProgramResult plan = RunShardfs({"plan", source, "--mtp", "--mindie-config", file});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_EQ(plan.out, RunShardfs(GoldenArguments("plan")).out);
  const ProgramResult written = RunShardfs({"materialize", source, view, "--mtp", "--mindie-config", file});
  EXPECT_EQ(written.exit_code, 0) << written.err;
  EXPECT_EQ(written.err.find("warning"), std::string::npos) << written.err;
  const ProgramResult other = RunShardfs({"materialize", source, root_ / "other", "--mtp", "--mindie_config", file});
  EXPECT_EQ(other.exit_code, 0) << other.err;
  EXPECT_THAT(other.err, AllOf(HasSubstr("warning"), HasSubstr("modelWeightPath")));
  EXPECT_EQ(RunShardfs({"verify", source, view, "--mtp", "--mindie-config", file}).exit_code, 0);
  const ProgramResult refused = RunShardfs({"plan", source, "--tp", "4", "--mindie-config", file});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("tp is 4"), HasSubstr("2")));
}

}  // namespace
}  // namespace shardfs
