#include "report/plan_html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

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
  const std::set<std::string> kVoid = {"meta", "!DOCTYPE"};
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
  EXPECT_LT(page.size(), 100'000u);
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
  const std::vector<std::uint64_t> shown = ExactBytes(page, "rank-bytes");
  ASSERT_EQ(shown.size(), plan["ranks"].size());
  for (std::size_t rank = 0; rank < shown.size(); ++rank) {
    std::uint64_t cells = 0;
    for (const json& cell : data["ranks"][rank]["cells"]) cells += cell.get<std::uint64_t>();
    EXPECT_EQ(data["ranks"][rank]["cells"].size(), data["columns"].size());
    EXPECT_EQ(cells, plan["ranks"][rank]["bytes"]) << rank;
    EXPECT_EQ(shown[rank], plan["ranks"][rank]["bytes"]) << rank;
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

TEST_F(PlanHtmlTest, AFileThatCannotBeWrittenIsAnError) {
  const ProgramResult result = RunShardfs(GoldenArguments("plan", {"--html", root_ / "missing/plan.html"}));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("missing/plan.html"));
}

}  // namespace
}  // namespace shardfs
