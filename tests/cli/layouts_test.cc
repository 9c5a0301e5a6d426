// shardfs layouts, in each of its formats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "cli/run_shardfs.h"
#include "fuse/temporary_mount.h"
#include "shardfs/layout/registry.h"

namespace shardfs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// What the command prints.
std::string Listing(std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.begin(), "layouts");
  const ProgramResult result = RunShardfs(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

TEST(LayoutsTest, TextNamesEverythingWithItsOptions) {
  const std::string text = Listing();
  for (const OptionTaker& taker : AllTakers()) {
    EXPECT_THAT(text, HasSubstr("\n  " + std::string(taker.name) + " "));
    for (const OptionSpec& spec : taker.options) EXPECT_THAT(text, HasSubstr("\n    " + OptionFlagOf(spec.name)));
  }
  EXPECT_THAT(text, AllOf(HasSubstr("--mtp, --no-mtp"), HasSubstr("environment DEEPSEEK_MTP"),
                          HasSubstr("sharder, loader"), HasSubstr("(default: 10GB)"), HasSubstr("; also --model-parallel")));
}

TEST(LayoutsTest, ANameAsksForThatOne) {
  const std::string text = Listing({"mindie"});
  EXPECT_THAT(text, AllOf(HasSubstr("mindie"), HasSubstr("--moe-tp N"), Not(HasSubstr("deepseek-mp"))));
  const ProgramResult unknown = RunShardfs({"layouts", "mindy"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("'mindy'"));
}

TEST(LayoutsTest, PresetsAreListedAndPrinted) {
  const std::string text = Listing({"rank-cut"});
  const auto list = nlohmann::json::parse(Listing({"rank-cut", "--json"}), nullptr, false);
  ASSERT_EQ(list.size(), 1u);
  const auto presets = FindLayout("rank-cut")->presets();
  ASSERT_EQ(list[0]["presets"].size(), presets.size());
  for (const LayoutPreset& preset : presets) {
    EXPECT_THAT(text, HasSubstr("\n      " + std::string(preset.name) + " "));
    const std::string printed = Listing({"rank-cut", "--preset", std::string(preset.name)});
    EXPECT_EQ(printed, std::string(preset.text) + (preset.text.ends_with('\n') ? "" : "\n"));
    EXPECT_EQ(nlohmann::json::parse(printed, nullptr, false)["rank_cut"], 1);
  }
  const ProgramResult unknown = RunShardfs({"layouts", "rank-cut", "--preset", "llame"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("'llame'"), HasSubstr("did you mean llama?")));
  const ProgramResult none = RunShardfs({"layouts", "mindie", "--preset", "llama"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("mindie has no presets"));
}

TEST(LayoutsTest, JsonHasEveryDeclaration) {
  const auto list = nlohmann::json::parse(Listing({"--format", "json"}), nullptr, false);
  ASSERT_TRUE(list.is_array());
  const std::vector<OptionTaker> takers = AllTakers();
  ASSERT_EQ(list.size(), takers.size());
  for (std::size_t i = 0; i < takers.size(); ++i) {
    EXPECT_EQ(list[i]["kind"], takers[i].kind);
    EXPECT_EQ(list[i]["name"], takers[i].name);
    EXPECT_NE(list[i]["summary"], "");
    ASSERT_EQ(list[i]["options"].size(), takers[i].options.size()) << takers[i].name;
    for (std::size_t j = 0; j < takers[i].options.size(); ++j) {
      EXPECT_EQ(list[i]["options"][j]["name"], takers[i].options[j].name);
      EXPECT_EQ(list[i]["options"][j]["alias"], takers[i].options[j].alias);
      EXPECT_EQ(list[i]["options"][j]["choices"].size(), takers[i].options[j].choices.size());
    }
  }
  EXPECT_EQ(Listing({"--json"}), Listing({"--format", "json"}));
}

// Completions read these lines.
TEST(LayoutsTest, WordsAreNamesAndChoices) {
  std::set<std::string> lines;
  std::istringstream words(Listing({"--format", "words"}));
  for (std::string line; std::getline(words, line);) EXPECT_TRUE(lines.insert(line).second) << line;
  for (const char* line : {"reader huggingface", "layout mindie", "layout huggingface", "layout deepseek-mp",
                           "option fidelity sharder loader", "option mtp true false"}) {
    EXPECT_TRUE(lines.contains(line)) << line;
  }
}

TEST(LayoutsTest, ManTagsEveryOption) {
  const std::string man = Listing({"--format", "man"});
  EXPECT_THAT(man, HasSubstr(".TP\n\\fB\\-\\-moe\\-tp\\fR \\fIN\\fR, \\fB\\-\\-moe_tp\\fR \\fIN\\fR\n"));
  EXPECT_THAT(man, HasSubstr(".TP\n\\fB\\-\\-mtp\\fR, \\fB\\-\\-no\\-mtp\\fR\n"));
  EXPECT_EQ(RunShardfs({"layouts", "--format", "html"}).exit_code, 2);
}

// What the command prints of a layout's table, an option of the layout takes back.
TEST(LayoutsTest, TheTableOfNamesIsTakenBack) {
  EXPECT_THAT(Listing({"sharded-state"}), AllOf(HasSubstr("vllm 0.6.3 to 0.26"), HasSubstr("sglang 0.5.9 to 0.5.18")));
  const MountableDirectory scratch;
  const std::string file = scratch.path() / "names.json";
  std::string json = Listing({"sharded-state", "--json"});
  const auto last = json.find("\"last\": \"0.26\"");
  ASSERT_NE(last, std::string::npos);
  json.replace(last, 14, "\"last\": \"0.27\"");
  std::ofstream(file) << json;
  std::vector<std::string> plan = {"plan", GoldenCase() + "/source", "--layout", "sharded-state", "--tp",
                                   "2",    "--engine-version",       "0.27"};
  const ProgramResult unknown = RunShardfs(plan);
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("vllm 0.27: the names of its state dict are not known here; the nearest"));
  plan.insert(plan.end(), {"--names", file});
  const ProgramResult known = RunShardfs(plan);
  EXPECT_EQ(known.exit_code, 0) << known.err;
  EXPECT_THAT(known.out, HasSubstr("for vllm 0.27, 2 ranks"));
}

}  // namespace
}  // namespace shardfs
