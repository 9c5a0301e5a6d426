#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <map>

#include "cli/environment.h"
#include "fuse/temporary_mount.h"

namespace shardfs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Of 4 ranks, with an MTP layer.
const std::string kSource = SHARDFS_TESTS_DIR "/golden/mindie/bf16_dp2tp2_mtp2ep2/source";

// What a command line (behind the subcommand) asks for.
Result<ViewRequest> Parse(std::vector<std::string> arguments) {
  CLI::App app;
  ViewRequest request;
  AddViewOptions(app, request);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants a vector
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return Status::InvalidArgument(error.what());
  }
  return request;
}

// What a command line and the environment come to.
Result<BuiltView> ViewOf(std::vector<std::string> arguments) {
  SHARDFS_ASSIGN_OR_RETURN(const ViewRequest request, Parse(std::move(arguments)));
  return BuildView(request);
}

// The sizes and the other options of a view, as they hold.
using Options = std::map<std::string, std::string>;
Options OptionsOf(const View& view) {
  Options options(view.options.begin(), view.options.end());
  for (const auto& [name, size] : view.sizes) options[name] = std::to_string(size);
  return options;
}

// Those that a command line over kSource comes to; none where it is refused.
Options OptionsOf(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kSource);
  const auto view = ViewOf(std::move(arguments));
  EXPECT_TRUE(view.ok()) << view.status();
  return view.ok() ? OptionsOf(view->view) : Options();
}

class OptionsTest : public testing::Test {
 protected:
  std::string WriteFile(const std::string& name, const std::string& text) const {
    const std::string path = directory_.path() / name;
    std::ofstream(path) << text;
    return path;
  }

  CleanEnvironment clean_;
  MountableDirectory directory_;
};

TEST_F(OptionsTest, Defaults) {
  const auto request = Parse({"/data"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->source, "/data");
  EXPECT_EQ(request->from, "");
  EXPECT_EQ(request->layout, "");
  EXPECT_EQ(request->config_file, "");
  EXPECT_THAT(request->options, IsEmpty());

  const auto view = ViewOf({kSource, "--tp", "2"});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->layout, "mindie");
  EXPECT_EQ(view->view.nodes, 1u);
  EXPECT_EQ(OptionsOf(view->view), (Options{{"world_size", "2"},
                                            {"dp", "1"},
                                            {"tp", "2"},
                                            {"moe_tp", "2"},
                                            {"moe_ep", "1"},
                                            {"sp", "1"},
                                            {"cp", "1"},
                                            {"mtp", "false"},
                                            {"max_shard_size", "10000000000"},
                                            {"dp_partition_up", "false"},
                                            {"fidelity", "sharder"},
                                            {"ep_level", "1"},
                                            {"enable_gating_dp", "true"},
                                            {"enable_shared_expert_dp", "false"},
                                            {"dense_mlp_local_tp", "1"}}));
}

TEST_F(OptionsTest, AllOptionsInBothSpellings) {
  for (const char separator : {'-', '_'}) {
    const auto spelled = [&](std::string name) {
      for (char& c : name) c = c == '-' ? separator : c;
      return "--" + name;
    };
    const Options options = OptionsOf({spelled("world-size"),
                                       "4",
                                       "--dp",
                                       "2",
                                       "--tp",
                                       "2",
                                       spelled("moe-tp"),
                                       "2",
                                       spelled("moe-ep"),
                                       "2",
                                       "--sp",
                                       "2",
                                       "--cp",
                                       "-1",
                                       "--mtp",
                                       spelled("max-shard-size"),
                                       "5GiB",
                                       spelled("dp-partition-up"),
                                       "-O",
                                       "ep_level=1",
                                       "-O",
                                       "fidelity=loader"});
    const Options expected = {{"world_size", "4"},
                              {"dp", "2"},
                              {"tp", "2"},
                              {"moe_tp", "2"},
                              {"moe_ep", "2"},
                              {"sp", "2"},
                              {"cp", "1"},
                              {"mtp", "true"},
                              {"max_shard_size", std::to_string(5ull << 30)},
                              {"dp_partition_up", "true"},
                              {"ep_level", "1"},
                              {"fidelity", "loader"}};
    for (const auto& [name, value] : expected) {
      ASSERT_TRUE(options.contains(name)) << name;
      EXPECT_EQ(options.at(name), value) << name;
    }
  }
}

TEST_F(OptionsTest, AnOptionAndAnAssignmentMeanTheSame) {
  EXPECT_EQ(OptionsOf({"--tp", "2", "--mtp", "--ep-level", "1"}),
            OptionsOf({"-O", "tp=2", "-O", "mtp=true", "-O", "ep-level=1"}));
}

TEST_F(OptionsTest, AListMayBeGivenAgain) {
  const auto request = Parse({"/data", "--drop", "a,b", "--drop", "c", "-O", "drop=d"});
  ASSERT_TRUE(request.ok()) << request.status();
  std::vector<std::string> texts;
  for (const GivenOption& option : request->options) {
    EXPECT_EQ(option.name, "drop");
    texts.push_back(option.text);
  }
  EXPECT_THAT(texts, ::testing::UnorderedElementsAre("a,b", "c", "d"));
}

TEST_F(OptionsTest, LayoutOptionLeavesTheNextWordAlone) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"-O", "ep_level=1", "/data"},
                                                    {"--ep-level", "1", "/data"},
                                                    {"--drop", "a", "/data"}}) {
    const auto request = Parse(arguments);
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->source, "/data");
  }
}

TEST_F(OptionsTest, CommandLineBeatsEnvironmentBeatsConfigFile) {
  const std::string config = WriteFile(
      "config.json", R"({"mtp": false, "tp": 2, "dp": 2, "moe_tp": 2, "moe_ep": 2, "options": {"ep_level": 1}})");
  EXPECT_EQ(OptionsOf({"--config", config})["mtp"], "false");
  const ScopedVariable mtp("DEEPSEEK_MTP", "1");
  EXPECT_EQ(OptionsOf({"--config", config})["mtp"], "true");
  EXPECT_EQ(OptionsOf({"--config", config, "--no-mtp"})["mtp"], "false");

  Options options = OptionsOf({"--config", config, "--tp", "4", "--dp", "-1", "-O", "ep_level=2"});
  EXPECT_EQ(options["tp"], "4");
  EXPECT_EQ(options["dp"], "1");
  EXPECT_EQ(options["moe_tp"], "2");
  EXPECT_EQ(options["ep_level"], "2");
}

TEST_F(OptionsTest, TheConfigFileNamesTheLayout) {
  const std::string config = WriteFile("config.json", R"({"layout": "huggingface", "max-shard-size": "1GB"})");
  EXPECT_EQ(ViewOf({kSource, "--config", config})->layout, "huggingface");
  EXPECT_EQ(ViewOf({kSource, "--config", config, "--layout", "mindie", "--tp", "2"})->layout, "mindie");
}

TEST_F(OptionsTest, RankTableTellsTheNodes) {
  const std::string two = WriteFile("two.json", R"({"server_count": "2", "server_list": [{}, {}]})");
  const std::string one = WriteFile("one.json", R"({"server_count": "1", "server_list": [{}]})");
  const auto nodes = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {kSource, "--dp", "2", "--tp", "2", "--moe-tp", "2", "--moe-ep", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto view = ViewOf(std::move(arguments));
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? view->view.nodes : 0;
  };
  EXPECT_EQ(nodes({"--rank-table", two}), 2u);
  const ScopedVariable rank_table("RANK_TABLE_FILE", two);
  EXPECT_EQ(nodes({}), 2u);
  EXPECT_EQ(nodes({"--rank_table", one}), 1u);
  EXPECT_FALSE(ViewOf({kSource, "--tp", "2", "--rank-table", "/nonexistent"}).ok());
}

// MindIE takes 1 for yes and anything else for no; a view of either would be wrong for somebody.
TEST_F(OptionsTest, PartitionUpOfTheEnvironmentIsZeroOrOne) {
  {
    const ScopedVariable on("DP_PARTITION_UP_ENABLE", "1");
    EXPECT_EQ(OptionsOf({"--tp", "2"})["dp_partition_up"], "true");
  }
  {
    const ScopedVariable off("DP_PARTITION_UP_ENABLE", "0");
    EXPECT_EQ(OptionsOf({"--tp", "2"})["dp_partition_up"], "false");
  }
  const ScopedVariable wrong("DP_PARTITION_UP_ENABLE", "2");
  EXPECT_FALSE(ViewOf({kSource, "--tp", "2"}).ok());
}

TEST_F(OptionsTest, TheEnvironmentOfOneLayoutIsNothingToAnother) {
  const ScopedVariable mtp("DEEPSEEK_MTP", "1");
  const ScopedVariable rank_table("RANK_TABLE_FILE", "/nonexistent");
  const auto view = ViewOf({kSource, "--layout", "huggingface"});
  EXPECT_TRUE(view.ok()) << view.status();
}

TEST_F(OptionsTest, Refusals) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{kSource, "--tp", "0"}, "--tp is '0'"},
      {{kSource, "--moe-ep", "-2"}, "--moe-ep is '-2'"},
      {{kSource, "--tp", "eight"}, "--tp"},
      {{kSource, "--tp", "4", "--tp", "8"}, "--tp"},
      {{kSource, "--tp", "4", "-O", "tp=8"}, "tp is given twice"},
      {{kSource, "--max-shard-size", "10XB"}, "--max-shard-size"},
      {{kSource, "-O", "ep_level"}, "'ep_level'"},
      {{kSource, "-O", "=1"}, "'=1'"},
      {{kSource, "-O", "ep_level=1", "-O", "ep_level=2"}, "ep_level is given twice"},
      {{kSource, "-O", "frobnicate=1"}, "--frobnicate"},
      {{kSource, "--tp", "2", "--order", "index"}, "the mindie layout has no --order; huggingface and rank-cut have"},
      {{kSource, "--layout", "huggingface", "--tp", "2"}, "the huggingface layout has no --tp"},
      {{kSource, "--frobnicate"}, "--frobnicate"},
      {{}, "SOURCE"},
  };
  for (const auto& [arguments, named] : cases) {
    const auto view = ViewOf(arguments);
    ASSERT_FALSE(view.ok()) << named;
    EXPECT_EQ(view.status().code(), StatusCode::kInvalidArgument) << named;
    EXPECT_THAT(std::string(view.status().message()), HasSubstr(named));
  }
}

TEST_F(OptionsTest, UnknownLayoutAndReaderNameTheKnownOnes) {
  const auto layout = ViewOf({kSource, "--layout", "mindy"});
  ASSERT_FALSE(layout.ok());
  EXPECT_THAT(std::string(layout.status().message()),
              AllOf(HasSubstr("'mindy'"), HasSubstr("mindie"), HasSubstr("huggingface"), HasSubstr("deepseek-mp")));
  const auto reader = ViewOf({kSource, "--from", "mindy"});
  ASSERT_FALSE(reader.ok());
  EXPECT_THAT(std::string(reader.status().message()), AllOf(HasSubstr("'mindy'"), HasSubstr("huggingface")));
}

TEST_F(OptionsTest, BuildViewOpensTheCheckpoint) {
  const auto view = ViewOf({kSource, "--dp", "2", "--tp", "2", "--moe-tp", "2", "--moe-ep", "2", "--mtp"});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->view.world_size, 4u);
  EXPECT_GT(view->view.tree->file_count(), 10u);
  EXPECT_FALSE(view->checkpoint->tensors().specs().empty());
}

}  // namespace
}  // namespace shardfs
