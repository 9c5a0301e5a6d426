#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "cli/environment.h"
#include "fuse/temporary_mount.h"

namespace shardfs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// What a command line (behind the subcommand) and the environment come to.
Result<ResolvedOptions> ResolveArguments(std::vector<std::string> arguments) {
  CLI::App app;
  CommonOptions options;
  AddCommonOptions(app, options);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants a vector
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return Status::InvalidArgument(error.what());
  }
  return Resolve(options);
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
  const auto resolved = ResolveArguments({"/data"});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->source, "/data");
  EXPECT_EQ(resolved->layout, "mindie");
  const ParallelConfig& parallel = resolved->options.parallel;
  for (const std::int64_t size :
       {parallel.world_size, parallel.dp, parallel.tp, parallel.moe_tp, parallel.moe_ep, parallel.sp, parallel.cp}) {
    EXPECT_EQ(size, ParallelConfig::kDefault);
  }
  EXPECT_EQ(parallel.nodes, 1);
  EXPECT_FALSE(resolved->options.mtp);
  EXPECT_FALSE(resolved->options.dp_partition_up);
  EXPECT_EQ(resolved->options.max_shard_bytes, 10'000'000'000u);
  EXPECT_TRUE(resolved->options.layout_options.empty());
}

TEST_F(OptionsTest, AllOptionsInBothSpellings) {
  for (const char separator : {'-', '_'}) {
    const auto spelled = [&](std::string name) {
      for (char& c : name) c = c == '-' ? separator : c;
      return "--" + name;
    };
    const auto resolved = ResolveArguments({"/data",
                                            spelled("world-size"),
                                            "16",
                                            "--dp",
                                            "2",
                                            "--tp",
                                            "8",
                                            spelled("moe-tp"),
                                            "4",
                                            spelled("moe-ep"),
                                            "4",
                                            "--sp",
                                            "8",
                                            "--cp",
                                            "-1",
                                            "--mtp",
                                            spelled("max-shard-size"),
                                            "5GiB",
                                            "-O",
                                            "ep_level=1",
                                            "-O",
                                            "fidelity=sharder"});
    ASSERT_TRUE(resolved.ok()) << resolved.status();
    const ParallelConfig& parallel = resolved->options.parallel;
    EXPECT_EQ(parallel.world_size, 16);
    EXPECT_EQ(parallel.dp, 2);
    EXPECT_EQ(parallel.tp, 8);
    EXPECT_EQ(parallel.moe_tp, 4);
    EXPECT_EQ(parallel.moe_ep, 4);
    EXPECT_EQ(parallel.sp, 8);
    EXPECT_EQ(parallel.cp, ParallelConfig::kDefault);
    EXPECT_TRUE(resolved->options.mtp);
    EXPECT_EQ(resolved->options.max_shard_bytes, 5ull << 30);
    EXPECT_EQ(resolved->options.layout_options,
              (std::map<std::string, std::string>{{"ep_level", "1"}, {"fidelity", "sharder"}}));
  }
}

TEST_F(OptionsTest, LayoutOptionLeavesTheNextWordAlone) {
  const auto resolved = ResolveArguments({"-O", "ep_level=1", "/data"});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->source, "/data");
}

TEST_F(OptionsTest, CommandLineBeatsEnvironmentBeatsConfigFile) {
  const std::string config =
      WriteFile("config.json", R"({"mtp": false, "tp": 2, "dp": 2, "options": {"a": "config"}})");
  EXPECT_FALSE(ResolveArguments({"/data", "--config", config})->options.mtp);
  const ScopedVariable mtp("DEEPSEEK_MTP", "1");
  EXPECT_TRUE(ResolveArguments({"/data", "--config", config})->options.mtp);
  EXPECT_FALSE(ResolveArguments({"/data", "--config", config, "--no-mtp"})->options.mtp);

  const auto resolved = ResolveArguments({"/data", "--config", config, "--tp", "8", "--dp", "-1", "-O", "a=line"});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->options.parallel.tp, 8);
  EXPECT_EQ(resolved->options.parallel.dp, ParallelConfig::kDefault);
  EXPECT_EQ(resolved->options.layout_options.at("a"), "line");
}

TEST_F(OptionsTest, RankTableTellsTheNodes) {
  const std::string two = WriteFile("two.json", R"({"server_count": "2", "server_list": [{}, {}]})");
  const std::string one = WriteFile("one.json", R"({"server_count": "1", "server_list": [{}]})");
  EXPECT_EQ(ResolveArguments({"/data", "--rank-table", two})->options.parallel.nodes, 2);
  const ScopedVariable rank_table("RANK_TABLE_FILE", two);
  EXPECT_EQ(ResolveArguments({"/data"})->options.parallel.nodes, 2);
  EXPECT_EQ(ResolveArguments({"/data", "--rank_table", one})->options.parallel.nodes, 1);
  EXPECT_FALSE(ResolveArguments({"/data", "--rank-table", "/nonexistent"}).ok());
}

TEST_F(OptionsTest, Refusals) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"/data", "--tp", "0"}, "tp is 0"},
      {{"/data", "--moe-ep", "-2"}, "moe-ep is -2"},
      {{"/data", "--tp", "eight"}, "--tp"},
      {{"/data", "--tp", "4", "--tp", "8"}, "--tp"},
      {{"/data", "--max-shard-size", "10XB"}, "--max-shard-size"},
      {{"/data", "-O", "ep_level"}, "'ep_level'"},
      {{"/data", "-O", "a=1", "-O", "a=2"}, "a is given twice"},
      {{"/data", "--frobnicate"}, "--frobnicate"},
      {{}, "SOURCE"},
  };
  for (const auto& [arguments, named] : cases) {
    const auto resolved = ResolveArguments(arguments);
    ASSERT_FALSE(resolved.ok()) << named;
    EXPECT_EQ(resolved.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(resolved.status().message()), HasSubstr(named));
  }
}

TEST_F(OptionsTest, UnknownLayoutNamesTheKnownOnes) {
  CommonOptions options;
  options.source = "/data";
  options.settings.layout = "mindy";
  const auto view = BuildView(options);
  ASSERT_FALSE(view.ok());
  EXPECT_THAT(std::string(view.status().message()), AllOf(HasSubstr("'mindy'"), HasSubstr("mindie")));
}

TEST_F(OptionsTest, BuildViewOpensTheCheckpoint) {
  CommonOptions options;
  options.source = SHARDFS_TESTS_DIR "/golden/mindie/bf16_dp2tp2_mtp2ep2/source";
  options.settings.dp = options.settings.tp = options.settings.moe_tp = options.settings.moe_ep = 2;
  options.settings.mtp = true;
  const auto view = BuildView(options);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->layout.world_size, 4u);
  EXPECT_GT(view->layout.tree->file_count(), 10u);
  EXPECT_FALSE(view->checkpoint->tensors().empty());
}

}  // namespace
}  // namespace shardfs
