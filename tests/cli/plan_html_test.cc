#include "report/plan_html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/environment.h"
#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"
#include "shardfs/layout/registry.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

// The text between two marks, the first of their kind; empty when one is missing.
std::string Between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  if (from == std::string::npos) return "";
  const std::size_t to = text.find(end, from + begin.size());
  return to == std::string::npos ? "" : text.substr(from + begin.size(), to - from - begin.size());
}

// Every element that is opened is closed, in order; empty, or what is wrong.
std::string WhyMalformed(const std::string& page) {
  const std::set<std::string> kVoid = {"meta", "br", "!DOCTYPE"};
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = page.find('<', at)) != std::string::npos;) {
    const std::size_t end = page.find('>', at);
    if (end == std::string::npos) return "a tag that does not end at " + std::to_string(at);
    const std::string tag = page.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" >", 1) - (tag[0] == '/' ? 1 : 0));
    at = end;
    if (kVoid.contains(name)) continue;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name)
        return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
      continue;
    }
    open.push_back(name);
    if (name == "script" || name == "style") at = page.find("</" + name + ">", end);
  }
  return open.empty() ? "" : open.back() + " is not closed";
}

class PlanHtmlTest : public ::testing::Test {
 protected:
  std::string Page(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--html", file_});
    const ProgramResult result = RunShardfs(GoldenArguments("plan", more));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return ReadFile(file_);
  }

  static json Data(const std::string& page) {
    return json::parse(Between(page, "id=\"plan-data\">", "</script>"), nullptr, false);
  }

  static json Plan(std::vector<std::string> more = {}) {
    more.push_back("--json");
    return json::parse(RunShardfs(GoldenArguments("plan", more)).out);
  }

  // The numbers of "0-3,8".
  static std::vector<std::size_t> Numbers(const std::string& runs) {
    std::vector<std::size_t> all;
    std::istringstream words(runs);
    for (std::string run; std::getline(words, run, ',');) {
      const std::size_t dash = run.find('-');
      const std::size_t last = std::stoul(dash == std::string::npos ? run : run.substr(dash + 1));
      for (std::size_t number = std::stoul(run); number <= last; ++number) all.push_back(number);
    }
    return all;
  }

  // What the rows of the table of ranks say of each rank, which stands in exactly one.
  static std::map<std::size_t, std::uint64_t> BytesByRank(const std::string& page) {
    const std::string rows = Between(page, "id=\"rank-bytes\"", "</table>");
    const std::vector<std::uint64_t> bytes = ExactBytes(page, "rank-bytes");
    std::map<std::size_t, std::uint64_t> by_rank;
    std::size_t row = 0;
    for (std::size_t at = 0; (at = rows.find("<tr data-ranks=\"", at)) != std::string::npos; ++at, ++row) {
      for (const std::size_t rank : Numbers(Between(rows.substr(at), "data-ranks=\"", "\""))) {
        EXPECT_TRUE(by_rank.emplace(rank, bytes.at(row)).second) << "rank " << rank << " stands in two rows";
      }
    }
    return by_rank;
  }

  // "1,234,567" of each row of a table, the cells of class "exact".
  static std::vector<std::uint64_t> ExactBytes(const std::string& page, const std::string& table) {
    std::string rows = Between(page, "id=\"" + table + "\"", "</table>");
    std::vector<std::uint64_t> numbers;
    const std::string mark = "<td class=\"num exact\">";
    for (std::size_t at = 0; (at = rows.find(mark, at)) != std::string::npos;) {
      at += mark.size();
      std::string digits = rows.substr(at, rows.find('<', at) - at);
      std::erase(digits, ',');
      numbers.push_back(std::stoull(digits));
    }
    return numbers;
  }

  TemporaryDirectory root_;
  const std::string file_ = root_ / "plan.html";
};

TEST_F(PlanHtmlTest, IsWellFormedAndNeedsNothingElse) {
  const std::string page = Page();
  EXPECT_EQ(WhyMalformed(page), "");
  for (const char* outside : {"http:", "https:", "//cdn", " src=", " href=", "@import", "url(", "fetch(", "import("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  EXPECT_LT(page.size(), 150'000u);
  EXPECT_THAT(page,
              AllOf(HasSubstr("<html lang=\"en\">"), HasSubstr("prefers-color-scheme"), HasSubstr("@media print")));
  EXPECT_THAT(page, HasSubstr("shardfs plan " + GoldenCase() + "/source --dp 2")) << "how it was made";
  EXPECT_EQ(Page(), page) << "deterministic";
}

TEST_F(PlanHtmlTest, RanksAddUpToThePlan) {
  const std::string page = Page({"--nnodes", "2"});
  const json plan = Plan({"--nnodes", "2"});
  const json data = Data(page);
  ASSERT_FALSE(data.is_discarded());
  ASSERT_EQ(data["ranks"].size(), plan["ranks"].size());
  const std::map<std::size_t, std::uint64_t> shown = BytesByRank(page);
  ASSERT_EQ(shown.size(), plan["ranks"].size());
  for (std::size_t rank = 0; rank < shown.size(); ++rank) {
    std::uint64_t cells = 0;
    for (const json& cell : data["ranks"][rank]["cells"]) cells += cell.get<std::uint64_t>();
    EXPECT_EQ(data["ranks"][rank]["cells"].size(), data["columns"].size());
    EXPECT_EQ(cells, plan["ranks"][rank]["bytes"]) << rank;
    EXPECT_EQ(shown.at(rank), plan["ranks"][rank]["bytes"]) << rank;
    EXPECT_EQ(data["ranks"][rank]["node"], plan["ranks"][rank]["node"]);
  }
}

TEST_F(PlanHtmlTest, NodesAndKindsAddUpToThePlan) {
  const std::string page = Page({"--nnodes", "2"});
  const json plan = Plan({"--nnodes", "2"});
  EXPECT_EQ(ExactBytes(page, "node-bytes"),
            (std::vector<std::uint64_t>{plan["nodes"][0]["bytes"], plan["nodes"][1]["bytes"]}));
  std::vector<std::uint64_t> kinds = ExactBytes(page, "class-bytes");
  ASSERT_GT(kinds.size(), 5u);
  const std::uint64_t total = kinds.back();
  kinds.pop_back();
  std::uint64_t sum = 0;
  for (const std::uint64_t bytes : kinds) sum += bytes;
  EXPECT_EQ(total, plan["loaded_bytes"]);
  EXPECT_EQ(sum, total);
}

TEST_F(PlanHtmlTest, PartsCoverTheWhole) {
  const json data = Data(Page());
  ASSERT_FALSE(data.is_discarded());
  // dp 2, tp 2, moe_tp 2, moe_ep 2 of 16 experts and 16 heads.
  const json& third = data["ranks"][2];
  EXPECT_EQ(third["experts"], json({8, 16, 16}));
  EXPECT_EQ(third["slice"], json({0, 1, 2}));
  EXPECT_EQ(third["heads"], json({0, 8, 16}));
  EXPECT_EQ(third["shared"], json({2, 3, 4}));
  EXPECT_EQ(data["ranks"][3]["dense"], json({1, 2, 2}));
  EXPECT_EQ(data["columns"][1]["experts"], false) << "layer 0 is dense";
  EXPECT_EQ(data["columns"][4]["experts"], true) << "layer 3 is not";
  EXPECT_EQ(data["columns"][6]["label"], "MTP 5");
}

TEST_F(PlanHtmlTest, QuantisedExpertsAreExperts) {
  const std::string source = SHARDFS_TESTS_DIR "/golden/mindie/w4a8_group_dp2tp2_mtp2ep2/source";
  const ProgramResult result =
      RunShardfs({"plan", source, "--dp", "2", "--tp", "2", "--moe-ep", "2", "--mtp", "--html", file_});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Data(ReadFile(file_))["columns"][4]["experts"], true);
  EXPECT_EQ(ClassOf("model.layers.3.mlp.gate_up_proj.bias", true), WeightClass::kRoutedExperts);
  EXPECT_EQ(ClassOf("model.layers.0.mlp.gate_up_proj.weight", false), WeightClass::kDense);
  EXPECT_EQ(ClassOf("model.layers.3.mlp.experts.7.up_proj.weight", false), WeightClass::kRoutedExperts);
  EXPECT_EQ(ClassOf("model.layers.3.mlp.shared_experts.down_proj.weight", true), WeightClass::kSharedExperts);
  EXPECT_EQ(ClassOf("model.layers.3.mlp.gate.weight", true), WeightClass::kSmall);
  EXPECT_EQ(ClassOf("model.layers.61.eh_proj.weight", false), WeightClass::kOther);
  EXPECT_EQ(LayerOfTensor("model.layers.61.enorm.weight"), 61u);
  EXPECT_EQ(LayerOfTensor("model.norm.weight"), std::nullopt);
}

TEST_F(PlanHtmlTest, NamesAreEscaped) {
  EXPECT_EQ(EscapeHtml("a<b>&\"c\"\n\xff"), "a&lt;b&gt;&amp;&quot;c&quot; \xef\xbf\xbd");
  const std::string source = root_ / "r1<script>&'\"";
  fs::copy(GoldenCase() + "/source", source, fs::copy_options::recursive);
  const ProgramResult result = RunShardfs({"plan", source, "--dp", "2", "--tp", "2", "--moe-ep", "2", "--html", file_});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string page = ReadFile(file_);
  EXPECT_EQ(WhyMalformed(page), "");
  EXPECT_THAT(page, HasSubstr("<h1>Plan for r1&lt;script&gt;&amp;"));
  EXPECT_THAT(page, HasSubstr("r1&lt;script&gt;&amp;'\\''&quot;' --dp 2")) << "as a shell takes it";
}

// What was recognised stands on top, with the day and the source's digest, which is that of its files.
TEST_F(PlanHtmlTest, TheHeadSaysFromWhatAndWhen) {
  const ScopedVariable epoch("SOURCE_DATE_EPOCH", "1772323200");
  const std::string head = Between(Page(), "<header>", "</header>");
  for (const char* part : {"<dt>Source</dt>", "<dt>Read as</dt><dd>huggingface: ", "<dt>Transforms</dt><dd>none</dd>",
                           "<dt>Layout</dt><dd>mindie: ", "<dt>Made on</dt><dd>2026-03-01</dd>"}) {
    EXPECT_THAT(head, HasSubstr(part));
  }
  const auto digest = [this](const std::string& source) {
    const ProgramResult result =
        RunShardfs({"plan", source, "--dp", "2", "--tp", "2", "--moe-ep", "2", "--html", file_});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Between(ReadFile(file_), "<dt>Source digest</dt><dd><code>", "</code>");
  };
  const std::string source = root_ / "source";
  fs::copy(GoldenCase() + "/source", source, fs::copy_options::recursive);
  const std::string before = digest(source);
  EXPECT_EQ(before.size(), 32u);
  EXPECT_EQ(digest(source), before);
  WriteFile(fs::path(source) / "config.json", ReadFile(fs::path(source) / "config.json") + " ");
  EXPECT_NE(digest(source), before);
}

// The script finds every tensor of every file, and each file's bytes by layer.
TEST_F(PlanHtmlTest, FilesAndTensorsAreAllThere) {
  const json data = Data(Page());
  const json plan = Plan();
  std::map<std::string, std::uint64_t> sizes;
  for (const json& entry : plan["entries"]) sizes[entry["path"]] = entry["bytes"];
  ASSERT_EQ(data["files"].size(), plan["files"]);
  std::set<std::string> names;
  for (const json& file : data["files"]) {
    std::uint64_t bytes = 0;
    for (const json& cell : data["profiles"][file[2].get<std::size_t>()]) bytes += cell[1].get<std::uint64_t>();
    EXPECT_EQ(bytes, sizes.at(file[0])) << file[0];
    for (const json& group : data["lists"][file[3].get<std::size_t>()]) {
      for (const json& run : group[4]) {
        const std::size_t size = run.size();
        const std::uint64_t last = size == 0 ? 0 : run[size - 1].get<std::uint64_t>();
        for (std::uint64_t at = size == 0 ? 0 : run[size - 2].get<std::uint64_t>(); at <= last; ++at) {
          std::string name;
          std::size_t next = 0;
          for (const char c : group[0].get<std::string>()) {
            if (c != '#') {
              name += c;
              continue;
            }
            name += std::to_string(next + 2 < size ? run[next].get<std::uint64_t>() : at);
            ++next;
          }
          names.insert(name);
        }
      }
    }
  }
  EXPECT_TRUE(names.contains("model.layers.3.mlp.down_proj.weight"));
  EXPECT_TRUE(names.contains("model.norm.weight"));
  EXPECT_TRUE(names.contains("model.layers.5.eh_proj.weight"));
}

TEST_F(PlanHtmlTest, SpeaksChinese) {
  const ScopedVariable all("LC_ALL", "zh_CN.UTF-8");
  const std::string page = Page();
  EXPECT_EQ(WhyMalformed(page), "");
  for (const char* part : {"<html lang=\"zh\">", "<dt>目录布局</dt>", "每个 rank 的加载量", "路由专家"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_EQ(Data(page)["words"]["Find tensors"], "查找张量");
  EXPECT_THAT(page, Not(HasSubstr("What each rank loads</h2>")));
}

// Every layout has a page: cut by rank or not, with layers or without.
TEST_F(PlanHtmlTest, EveryLayoutHasAPage) {
  const std::string golden = SHARDFS_TESTS_DIR "/golden/";
  const std::vector<std::vector<std::string>> plans = {
      {GoldenCase() + "/source", "--layout", "huggingface"},
      {GoldenCase() + "/source", "--layout", "sharded-state", "--engine", "vllm", "--tp", "2"},
      {golden + "deepseek-mp/random_bf16/source", "--layout", "deepseek-mp", "--mp", "2", "--n-experts", "2"},
      {GoldenCase() + "/source", "--layout", "safetensors", "--file-name", "all.safetensors"},
      {GoldenCase() + "/source", "--layout", "ckpt", "--file-name", "all.ckpt"},
      {golden + "rank-cut/v3_tp2_ep2_pp2/source", "--layout", "rank-cut", "--rules",
       golden + "rank-cut/v3_tp2_ep2_pp2/rules.json"},
      {golden + "mindspore/transform_full_to_pp2tp2/source", "--layout", "mindspore", "--dst-strategy",
       golden + "mindspore/transform_full_to_pp2tp2/strategy/dst"},
      {golden + "mindspore/distribute_pp2tp2_rank2/source", "--layout", "mindspore-net", "--dst-strategy",
       golden + "mindspore/distribute_pp2tp2_rank2/strategy/dst/merged_ckpt_strategy.ckpt"},
      {golden + "mindspore/unify_json/source", "--layout", "mindspore-unified", "--has-redundancy", "--src-strategy",
       golden + "mindspore/unify_json/strategy/src/strategy.json"}};
  std::set<std::string> seen{"mindie"};  // of the tests above
  for (std::vector<std::string> words : plans) {
    const std::string layout = words[2];
    seen.insert(layout);
    words.insert(words.begin(), "plan");
    words.insert(words.end(), {"--html", file_});
    const ProgramResult result = RunShardfs(words);
    ASSERT_EQ(result.exit_code, 0) << layout << ": " << result.err;
    const std::string page = ReadFile(file_);
    EXPECT_EQ(WhyMalformed(page), "") << layout;
    EXPECT_THAT(page, HasSubstr("<dt>Layout</dt><dd>" + layout + ": "));
    const json data = Data(page);
    ASSERT_FALSE(data.is_discarded()) << layout;
    EXPECT_GE(data["ranks"].size(), 1u) << layout;
    EXPECT_GE(data["columns"].size(), 3u) << layout << " shows no layer";
  }
  for (const Layout* const layout : Layouts())
    EXPECT_TRUE(seen.contains(std::string(layout->name()))) << layout->name();
}

// 128 ranks that load the same are one row.
TEST_F(PlanHtmlTest, EqualRanksFold) {
  const std::string source = SHARDFS_TESTS_DIR "/golden/mindie/bf16_dp2tp8_mtp4ep4/source";
  const ProgramResult result = RunShardfs({"plan", source, "--dp", "8", "--tp", "16", "--moe-tp", "8", "--moe-ep", "16",
                                           "--mtp", "--nnodes", "16", "--html", file_});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string page = ReadFile(file_);
  EXPECT_EQ(BytesByRank(page).size(), 128u);
  EXPECT_EQ(ExactBytes(page, "rank-bytes").size(), 1u);
  EXPECT_THAT(page, HasSubstr("<tr data-ranks=\"0-127\"><th scope=\"row\" class=\"num\">0-127</th>"));
}

TEST_F(PlanHtmlTest, AFileThatCannotBeWrittenIsAnError) {
  const ProgramResult result = RunShardfs(GoldenArguments("plan", {"--html", root_ / "missing/plan.html"}));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("missing/plan.html"));
}

}  // namespace
}  // namespace shardfs
