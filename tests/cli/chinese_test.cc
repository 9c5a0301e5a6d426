// What doctor, the checks and the page say in Chinese has no English sentence in it: of every layout of the registry,
// of every golden case that is refused, and of command lines that are wrong.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/environment.h"
#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kGolden = SHARDFS_TESTS_DIR "/golden/";

// The lines that have three English words in a row. Names stand in quotes, and commands in backquotes or behind
// "启动服务："; lists of names have commas.
std::vector<std::string> EnglishLines(std::string text) {
  text = std::regex_replace(text, std::regex("'[^'\n]*'|`[^`\n]*`|启动服务：[^\n]*"), "0");
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    static const std::regex sentence("(^|[^A-Za-z0-9_./-])[A-Za-z]+ [A-Za-z]+ [A-Za-z]+([^A-Za-z0-9_=/-]|$)");
    if (std::regex_search(line, sentence)) found.push_back(line);
  }
  return found;
}

// What a reader of the page sees, but for names of files, paths and the command line.
std::string VisibleText(std::string page) {
  for (const auto& [begin, end] : {std::pair("<style>", "</style>"), std::pair("<script", "</script>"),
                                   std::pair("<code>", "</code>"), std::pair("<span class=\"name\">", "</span>")}) {
    for (std::size_t at = 0; (at = page.find(begin, at)) != std::string::npos;) {
      page.erase(at, page.find(end, at) - at);
    }
  }
  const std::regex title("title=\"([^\"]*)\"|aria-label=\"([^\"]*)\"");
  std::string text;
  for (auto at = std::sregex_iterator(page.begin(), page.end(), title); at != std::sregex_iterator(); ++at) {
    text += (*at)[1].str() + (*at)[2].str() + "\n";
  }
  std::string shown = std::regex_replace(page, std::regex("<[^>]*>"), "\n");
  for (const auto& [entity, character] : {std::pair("&quot;", "\""), std::pair("&lt;", "<"), std::pair("&gt;", ">")}) {
    shown = std::regex_replace(shown, std::regex(entity), character);
  }
  return text + shown;
}

class ChineseTest : public ::testing::Test {
 protected:
  const ScopedVariable all_{"LC_ALL", "zh_CN.UTF-8"};
  const TemporaryDirectory root_;
};

TEST_F(ChineseTest, EnglishIsFound) {
  EXPECT_THAT(EnglishLines("错误：the file is missing\n张量 'a b c' 缺失\n名称 mindie, ckpt, rank-cut"),
              ::testing::ElementsAre("错误：the file is missing"));
  EXPECT_THAT(EnglishLines(VisibleText("<p title=\"one more word\">好</p><code>a b c</code>")),
              ::testing::ElementsAre("one more word"));
}

TEST_F(ChineseTest, ThePageOfEveryLayoutIs) {
  const std::string full = kGolden + "mindie/bf16_dp2tp2_mtp2ep2/source";
  const std::string distributed = kGolden + "mindspore/distribute_pp2tp2_rank2/";
  const std::string transformed = kGolden + "mindspore/transform_full_to_pp2tp2/";
  const std::string sliced = kGolden + "mindspore/transform_pp2_to_tp4/";
  const std::vector<std::vector<std::string>> plans = {
      {full, "--layout", "mindie", "--dp", "2", "--tp", "2", "--moe-tp", "2", "--moe-ep", "2"},
      {full, "--layout", "huggingface", "--layers", "0-1,3", "--renumber", "--drop", "**.experts.{2..15}.**"},
      {kGolden + "fp8/random_a/source", "--layout", "huggingface", "--dequantize", "bf16"},
      {full, "--layout", "sharded-state", "--engine", "vllm", "--tp", "2"},
      {kGolden + "deepseek-mp/random_bf16/source", "--layout", "deepseek-mp", "--mp", "2", "--n-experts", "2"},
      {full, "--layout", "safetensors", "--file-name", "all.safetensors"},
      {full, "--layout", "ckpt", "--file-name", "all.ckpt"},
      {kGolden + "rank-cut/v3_tp2_ep2_pp2/source", "--layout", "rank-cut", "--rules",
       kGolden + "rank-cut/v3_tp2_ep2_pp2/rules.json"},
      {transformed + "source", "--layout", "mindspore", "--dst-strategy", transformed + "strategy/dst"},
      {sliced + "source", "--layout", "mindspore", "--src-strategy", sliced + "strategy/src/merged_ckpt_strategy.ckpt",
       "--dst-strategy", sliced + "strategy/dst/tp4.ckpt"},
      {distributed + "source", "--layout", "mindspore-net", "--dst-strategy",
       distributed + "strategy/dst/merged_ckpt_strategy.ckpt"},
      {kGolden + "mindspore/unify_json/source", "--layout", "mindspore-unified", "--has-redundancy", "--src-strategy",
       kGolden + "mindspore/unify_json/strategy/src/strategy.json"}};
  std::set<std::string> layouts;
  for (const json& one : json::parse(RunShardfs({"layouts", "--json"}).out)) {
    if (one["kind"] == "layout") layouts.insert(one["name"].get<std::string>());
  }
  EXPECT_GE(layouts.size(), 10u);
  for (std::vector<std::string> words : plans) {
    const std::string layout = words[2];
    layouts.erase(layout);
    const std::string file = root_ / "plan.html";
    words.insert(words.begin(), "plan");
    words.insert(words.end(), {"--html", file});
    const ProgramResult result = RunShardfs(words);
    ASSERT_EQ(result.exit_code, 0) << layout << ": " << result.err;
    EXPECT_THAT(EnglishLines(result.err), IsEmpty()) << layout;
    const std::string page = ReadFile(file);
    EXPECT_THAT(page, HasSubstr("<dt>目录布局</dt>"));
    EXPECT_THAT(EnglishLines(VisibleText(page)), IsEmpty()) << layout;
  }
  EXPECT_THAT(layouts, IsEmpty()) << "a layout without a page above";
}

// The options of a golden case, for the command line.
std::vector<std::string> OptionsOf(const json& golden, const fs::path& directory) {
  std::vector<std::string> words;
  const json options = golden.value("options", json::object());
  for (const auto& [name, value] : options.items()) {
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (value.is_array()) {
      text.clear();
      for (const json& item : value) text += (text.empty() ? "" : ",") + item.get<std::string>();
    }
    if (name == "rules" || name == "names") text = directory / text;
    words.insert(words.end(), {"-O", name + "=" + text});
  }
  return words;
}

TEST_F(ChineseTest, TheRefusalOfEveryGoldenCaseIs) {
  int refused = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kGolden)) {
    if (entry.path().filename() != "case.json") continue;
    const fs::path directory = entry.path().parent_path();
    const json golden = json::parse(ReadFile(entry.path()));
    if (!golden.value("refused", false) || !golden.contains("layout")) continue;
    std::vector<std::string> words = {
        "doctor",
        (directory / golden.value("source_of", ".") / golden.value("source_dir", "source")).lexically_normal(),
        "--layout", golden["layout"].get<std::string>()};
    const std::vector<std::string> options = OptionsOf(golden, directory);
    words.insert(words.end(), options.begin(), options.end());
    const ProgramResult result = RunShardfs(words);
    ++refused;
    EXPECT_EQ(result.exit_code, 1) << directory;
    EXPECT_THAT(result.out, HasSubstr("错误    规划：")) << directory;
    EXPECT_THAT(EnglishLines(result.out + result.err), IsEmpty()) << directory;
  }
  EXPECT_GT(refused, 15);
}

TEST_F(ChineseTest, WrongCommandLinesAre) {
  const std::string full = kGolden + "mindie/bf16_dp2tp2_mtp2ep2/source";
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"doctor", "--no-such-option"},
                                             {"doctor", "--tp", "x", full},
                                             {"doctor", "--tp"},
                                             {"doctor", full, "mountpoint", "third"},
                                             {"doctor", full, "--tp", "2", "--tp", "4"},
                                             {"doctor", full, "--uid", "no-such-user"},
                                             {"doctor", full, "--config", root_ / "none.json"},
                                             {"doctor", full, "-O", "nothing"},
                                             {"doctor", full, "--layout", "mindie", "--tp", "2", "--expert-parallel"},
                                             {"doctor", full, "--layout", "none"},
                                             {"doctor", full, "--from", "none"},
                                             {"doctor", full, "--layout", "huggingface", "--max-shard-size", "big"},
                                             {"check-mindie"},
                                             {"check-vllm"},
                                             {"plan", full, "--layout", "rank-cut", "--html", root_ / "plan.html"}}) {
    const ProgramResult result = RunShardfs(words);
    EXPECT_NE(result.exit_code, 0) << fmt::format("{}", fmt::join(words, " "));
    EXPECT_THAT(EnglishLines(result.out + result.err), IsEmpty()) << fmt::format("{}", fmt::join(words, " "));
  }
}

// What a plan warns of, on stderr.
TEST_F(ChineseTest, WarningsOfDoctorAre) {
  const std::string source = root_ / "source";
  fs::copy(kGolden + "mindie/bf16_dp2tp2_mtp2ep2/source", source);
  fs::permissions(source + "/config.json", fs::perms::owner_write, fs::perm_options::add);
  json config = json::parse(ReadFile(source + "/config.json"));
  config["num_experts_per_tok"] = 1000;
  WriteFile(source + "/config.json", config.dump());
  const std::vector<std::vector<std::string>> all_sizes = {
      {}, {"--tp", "2", "--dp", "2", "--moe-tp", "2", "--moe-ep", "2"}};
  for (const std::vector<std::string>& sizes : all_sizes) {
    std::vector<std::string> words = {"doctor", source};
    words.insert(words.end(), sizes.begin(), sizes.end());
    const ProgramResult result = RunShardfs(words);
    EXPECT_THAT(result.err, HasSubstr("shardfs: 警告：MindIE 会拒绝该模型：\"num_experts_per_tok\"")) << result.out;
    EXPECT_THAT(EnglishLines(result.err), IsEmpty());
  }
}

}  // namespace
}  // namespace shardfs
