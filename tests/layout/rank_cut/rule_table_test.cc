// The reader of rule tables, and what it is made of: expressions, dims, names of files, patterns.
#include "layout/rank_cut/rule_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layout/rank_cut/dims.h"
#include "layout/rank_cut/file_name.h"
#include "layout/rank_cut/presets.h"

namespace shardfs::rank_cut {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

JsonValue Config(std::string_view text) { return ParseJson(text, "config.json").value(); }

Result<std::uint64_t> Evaluate(std::string_view text, std::string_view config = "{}") {
  const JsonValue json = Config(config);
  SHARDFS_ASSIGN_OR_RETURN(const Expression width, Expression::Parse("config:width=heads*4"));
  SHARDFS_ASSIGN_OR_RETURN(const Dims dims,
                           Dims::Create({{"heads", Expression::Number(6)}, {"width", width}}, {{"tp", 2}}, &json));
  SHARDFS_ASSIGN_OR_RETURN(const Expression expression, Expression::Parse(text));
  return dims.Evaluate(expression, "a test");
}

TEST(RankCutExpression, ComputesAsArithmeticDoes) {
  EXPECT_EQ(*Evaluate("2+3*4"), 14u);
  EXPECT_EQ(*Evaluate("(2+3) * 4"), 20u);
  EXPECT_EQ(*Evaluate("10-4-3"), 3u);
  EXPECT_EQ(*Evaluate("7/2*2"), 6u);
  EXPECT_EQ(*Evaluate("(1-8)/2+9"), 5u);  // rounds down, not towards 0
  EXPECT_EQ(*Evaluate("width*tp"), 48u);
  EXPECT_EQ(*Evaluate("width", R"({"width": 10})"), 10u);
  EXPECT_EQ(*Evaluate("width", R"({"width": null})"), 24u);
  EXPECT_EQ(*Evaluate("config:a.b", R"({"a": {"b": 3}})"), 3u);
  EXPECT_EQ(*Evaluate("config:a.c=heads/4", R"({"a": {"b": 3}})"), 1u);
}

TEST(RankCutExpression, RefusesWhatIsNone) {
  for (const char* text : {"", "2+", "(2", "2)", "2 3", "*2", "a b", "99999999999999999999", "-2", "2%3",
                           "config:", "config:=2", "1/0", "9223372036854775807+1", "2-3"}) {
    const auto value = Evaluate(text);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_THAT(std::string(value.status().message()), StartsWith("bad-rule: ")) << text;
  }
  for (const char* text : {"head", "config:missing", "config:text"}) {
    const auto value = Evaluate(text, R"({"text": "4"})");
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_THAT(std::string(value.status().message()), StartsWith("unknown-dim: ")) << text;
  }
  EXPECT_THAT(std::string(Evaluate("head").status().message()), HasSubstr("did you mean heads?"));
}

TEST(RankCutDims, RefusesDimsThatNeedEachOtherAndOnlyThoseThatAreAskedFor) {
  const auto parse = [](std::string_view text) { return Expression::Parse(text).value(); };
  const auto ring = Dims::Create({{"a", parse("b")}, {"b", parse("a+1")}}, {}, nullptr);
  ASSERT_FALSE(ring.ok());
  EXPECT_THAT(std::string(ring.status().message()), StartsWith("bad-rule: dim "));
  const auto misspelt = Dims::Create({{"a", parse("config:a=bb")}, {"b", parse("1")}}, {}, nullptr);
  ASSERT_FALSE(misspelt.ok());
  EXPECT_THAT(std::string(misspelt.status().message()), StartsWith("unknown-dim: 'bb'"));
  const auto dims = Dims::Create({{"a", parse("config:a")}, {"b", parse("7")}}, {}, nullptr);
  ASSERT_TRUE(dims.ok()) << dims.status();
  EXPECT_EQ(*dims->Evaluate(parse("b"), ""), 7u);
  EXPECT_THAT(std::string(dims->Evaluate(parse("a"), "").status().message()), StartsWith("unknown-dim: "));
}

TEST(RankCutFileName, IsFilledWithCoordinates) {
  RankPlace place;
  place.rank = 12;
  place.tp = 3;
  place.pp = 1;
  place.ep = 7;
  EXPECT_EQ(FileName::Parse("rank_{rank:05d}/model.safetensors")->Of(place), "rank_00012/model.safetensors");
  EXPECT_EQ(FileName::Parse("mp_rank_{tp:02d}_{pp:03d}_{ep:03d}/m.safetensors")->Of(place),
            "mp_rank_03_001_007/m.safetensors");
  EXPECT_EQ(FileName::Parse("rank{rank}.safetensors")->Of(place), "rank12.safetensors");
  EXPECT_EQ(FileName::Parse("{rank:01d}-{edp:d}.safetensors")->Of(place), "12-0.safetensors");
}

TEST(RankCutFileName, RefusesPathsThatLeadElsewhereAndNamesThatAreNone) {
  for (const char* text : {"", "rank{rank}", "/a.safetensors", "../a.safetensors", "a/../b.safetensors",
                           "./a.safetensors", "a//b.safetensors", "a/.safetensors", ".shardfs/a.safetensors",
                           "{rank.safetensors", "rank}.safetensors", "{node}.safetensors", "{rank:5d}.safetensors",
                           "{rank:05x}.safetensors", "{rank:099d}.safetensors", "{}.safetensors"}) {
    const auto name = FileName::Parse(text);
    ASSERT_FALSE(name.ok()) << text;
    EXPECT_THAT(std::string(name.status().message()), StartsWith("bad-rule: file name")) << text;
  }
}

TEST(RankCutNames, OutputNamesTakeWildcardsAndNumbers) {
  const NamePattern pattern = NamePattern::Parse("model.layers.{L}.{q,k}.experts.{E}.*").value();
  const auto found = pattern.Match("model.layers.7.k.experts.12.weight");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->layer, 7u);
  EXPECT_EQ(found->expert, 12u);
  const OutputName name = OutputName::Parse("h.{L}.{2}.{E}.{4}", pattern).value();
  EXPECT_EQ(name.Of(*found, 1, 2), "h.1.k.2.weight");
  EXPECT_EQ(Renumbered("model.layers.7.k.experts.12.weight", pattern, *found, 7, 12),
            "model.layers.7.k.experts.12.weight");
  const std::string whole = "model.layers.7.k.experts.12.weight";
  EXPECT_EQ(Renumbered(whole, pattern, *pattern.Match(whole), 3, 0), "model.layers.3.k.experts.0.weight");
  for (const char* text : {"", "{5}", "{0}", "{x}", "{L"}) EXPECT_FALSE(OutputName::Parse(text, pattern).ok()) << text;
  EXPECT_FALSE(NamePattern::Parse("a.{L}.{L}").ok());
  EXPECT_FALSE(NamePattern::Parse("a.{").ok());
  EXPECT_FALSE(pattern.Match("model.layers.99999999999999999999.k.experts.1.w").has_value());
}

struct Refused {
  const char* table;
  const char* message;  // how it begins behind "bad-rule: "
};

// The object behind "rules": a table whose rest is right.
std::string WithRule(const std::string& rule) {
  return R"({"rank_cut": 1, "layers": {"count": 2}, "experts": {"count": 4}, "rules": [)" + rule + "]}";
}

TEST(RuleTable, RefusesWhatIsNoTable) {
  const Refused cases[] = {
      {"[]", "the table is no JSON object"},
      {"{", ""},
      {R"({"rules": [{"match": "a", "stage": "all"}]})", "the table has no rank_cut"},
      {R"({"rank_cut": 2, "rules": []})", "rank_cut is 2"},
      {R"({"rank_cut": 1, "rules": []})", "the table has no rules"},
      {R"({"rank_cut": 1, "rule": []})", "unknown key ['rule'] in the table; did you mean rules?"},
      {R"({"rank_cut": 1, "mesh": {"tpp": 2}})", "unknown key ['tpp'] in mesh"},
      {R"({"rank_cut": 1, "mesh": {"tp": 0}})", "tp of mesh must be a whole number of at least 1"},
      {R"({"rank_cut": 1, "mesh": {"tp": 1.5}})", "tp of mesh must be a whole number"},
      {R"({"rank_cut": 1, "dims": {"tp": 2}})", "dims has tp"},
      {R"({"rank_cut": 1, "dims": {"a": true}})", "a of dims must be a whole number"},
      {R"({"rank_cut": 1, "layers": {"split": "even"}})", "layers has no count"},
      {R"({"rank_cut": 1, "layers": {"count": 2, "split": "odd"}})", "split of layers must be even or ceil"},
      {R"({"rank_cut": 1, "layers": {"count": 2, "first": 1}})", "layers has first and the split even"},
      {R"({"rank_cut": 1, "layers": {"count": 2, "split": "explicit"}})", "layers has no counts"},
      {R"({"rank_cut": 1, "layers": {"count": 2, "extra": [{"index": 2}]}})", "an extra layer has no stage"},
      {R"({"rank_cut": 1, "experts": {"count": 2, "uneven": "last"}})", "uneven of experts must be ceil or first"},
      {R"({"rank_cut": 1, "rules": [{"match": "a"}], "files": {"name": "a"}})", "file name 'a'"},
      {R"({"rank_cut": 1, "rules": [{"match": "a"}], "files": {"metadata": {"a": 1}}})", "metadata of files"},
      {R"({"rank_cut": 1, "rules": [{"match": "a"}], "scales": [{"match": "a", "scale_part": "b", "weight_part": "c"}]})",
       "a scale has no block"},
      {R"({"rank_cut": 1, "rules": [{"match": "a.{L}"}]})", "rule a.{L} has {L}, but the table has no layers"},
      {R"({"rank_cut": 1, "rules": [{"match": "a"}, {"match": "a", "match": "b"}]})", ""},
  };
  for (const Refused& refused : cases) {
    const auto table = ReadRuleTable(refused.table, "rules.json");
    ASSERT_FALSE(table.ok()) << refused.table;
    EXPECT_EQ(table.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(table.status().message()), StartsWith(std::string("bad-rule: ") + refused.message))
        << refused.table;
  }
}

TEST(RuleTable, RefusesRulesThatContradictThemselves) {
  const Refused cases[] = {
      {R"({"match": "a", "cuts": {}})", "unknown key ['cuts'] in rule a"},
      {R"({"match": "a", "cut": {"axes": 0, "group": "tp"}})", "unknown key ['axes'] in a cut of a"},
      {R"({"match": []})", "a rule has no match"},
      {R"({"cut": {"axis": 0, "group": "tp"}})", "a rule has no match"},
      {R"({"match": "a", "cut": {"group": "tp"}})", "a cut of a has no axis"},
      {R"({"match": "a", "cut": {"axis": 0}})", "a cut of a has no group"},
      {R"({"match": "a", "cut": {"axis": 0, "group": "dp"}})", "group of a cut of a must be tp or ep or etp"},
      {R"({"match": "a", "cut": {"axis": 0, "group": "tp", "unit_size": 4}})", "a cut of a has unit_size without"},
      {R"({"match": "a", "cut": {"axis": 0, "group": "tp", "replicate": true}})", "a cut of a has replicate without"},
      {R"({"match": "a", "cut": {"axis": 0, "group": "tp", "units": 4, "blocks": [{"size": 1}]}})",
       "a cut of a has blocks and units"},
      {R"({"match": "a", "cut": {"axis": 0, "group": "tp", "units": 4, "pad": {"multiple": 2}}})",
       "a cut of a has pad and units"},
      {R"({"match": "a", "cut": {"axis": 0, "group": "tp", "blocks": []}})", "blocks of a cut of a must be"},
      {R"({"match": "a", "cut": [{"axis": 0, "group": "tp"}, {"axis": 0, "group": "ep"}]})",
       "rule a has two cuts of axis 0"},
      {R"({"match": "a", "cut": [{"axis": 0, "group": "tp", "pad": {"multiple": 2}}, {"axis": 1, "group": "ep"}]})",
       "rule a has a pad before its last cut"},
      {R"({"match": "a.{E}"})", "a.{E}: expert must be true"},
      {R"({"match": "a", "expert": true})", "a: expert must be true"},
      {R"({"match": "a", "drop": true, "cut": {"axis": 0, "group": "tp"}})", "rule a has drop and cut"},
      {R"({"match": "a", "roll": "tp"})", "roll of rule a must be ep"},
      {R"({"match": "a", "roll": "ep", "cut": {"axis": 0, "group": "tp"}})", "rule a has roll and a cut of axis 0"},
      {R"({"match": "a", "dtype": "BF16"})", "dtype of rule a must be a list"},
      {R"({"match": "a", "dtype": ["BF17"]})", "dtype of rule a must be a list"},
      {R"({"match": "a", "as": "b.{L}"})", "output name 'b.{L}'"},
      {R"({"match": "a", "also": [{"stage": "last"}]})", "also of a has no as"},
      {R"({"match": "a", "also": [{"as": "b", "stage": 1}]})", "stage of also of a must be first or last"},
      {R"({"match": "a", "stage": "middle"})", ""},
  };
  for (const Refused& refused : cases) {
    const auto table = ReadRuleTable(WithRule(refused.table), "rules.json");
    if (table.ok()) {
      // A stage that is no word is an expression, whose names are looked up once the dims are known.
      EXPECT_STREQ(refused.message, "") << refused.table;
      continue;
    }
    EXPECT_THAT(std::string(table.status().message()), StartsWith(std::string("bad-rule: ") + refused.message))
        << refused.table;
  }
}

TEST(RuleTable, EveryPresetIsOne) {
  for (const LayoutPreset& preset : Presets()) {
    const auto table = ReadRuleTable(preset.text, preset.name);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_FALSE(table->rules.empty());
    EXPECT_EQ(FindPreset(preset.name)->text, preset.text);
  }
  EXPECT_EQ(FindPreset("gpt"), nullptr);
}

}  // namespace
}  // namespace shardfs::rank_cut
