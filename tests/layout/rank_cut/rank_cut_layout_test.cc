// The layout beyond the golden cases: each check by its code, options, what the plan says of ranks, presets.
#include "layout/rank_cut/rank_cut_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <span>

#include "layout/rank_cut/numbered_checkpoint.h"
#include "layout/rank_cut/presets.h"

namespace shardfs::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;
using Json = nlohmann::ordered_json;
using Options = std::vector<std::pair<std::string, std::string>>;

// A decoder of two layers with four experts in the second.
const NumberedCheckpoint& Source() {
  static const NumberedCheckpoint source(
      {{"model.embed_tokens.weight", {10, 4}},
       {"model.layers.0.self_attn.q_proj.weight", {8, 4}},
       {"model.layers.0.self_attn.k_proj.weight", {4, 4}},
       {"model.layers.0.self_attn.o_proj.weight", {4, 8}},
       {"model.layers.0.mlp.gate_proj.weight", {8, 4}},
       {"model.layers.0.mlp.down_proj.weight", {4, 8}},
       {"model.layers.1.self_attn.q_proj.weight", {8, 4}},
       {"model.layers.1.self_attn.k_proj.weight", {4, 4}},
       {"model.layers.1.self_attn.o_proj.weight", {4, 8}},
       {"model.layers.1.mlp.gate.weight", {4, 4}},
       {"model.layers.1.mlp.experts.0.down_proj.weight", {4, 8}},
       {"model.layers.1.mlp.experts.1.down_proj.weight", {4, 8}},
       {"model.layers.1.mlp.experts.2.down_proj.weight", {4, 8}},
       {"model.layers.1.mlp.experts.3.down_proj.weight", {4, 8}},
       {"model.norm.weight", {4}},
       {"lm_head.weight", {10, 4}}},
      R"({"hidden_size": 4, "num_attention_heads": 4, "num_hidden_layers": 2, "n_routed_experts": 4})");
  return source;
}

Json Table() {
  return Json::parse(R"({"rank_cut": 1, "mesh": {"tp": 2},
    "dims": {"heads": "config:num_attention_heads", "experts": "config:n_routed_experts"},
    "layers": {"count": "config:num_hidden_layers"}, "experts": {"count": "experts"},
    "rules": [
      {"match": "model.embed_tokens.weight", "stage": "first"},
      {"match": "model.layers.{L}.self_attn.q_proj.weight", "cut": {"axis": 0, "group": "tp", "units": "heads"}},
      {"match": "model.layers.{L}.self_attn.k_proj.weight",
       "cut": {"axis": 0, "group": "tp", "units": 2, "unit_size": 2, "replicate": true}},
      {"match": "model.layers.{L}.self_attn.o_proj.weight", "cut": {"axis": 1, "group": "tp", "units": "heads"}},
      {"match": "model.layers.{L}.mlp.gate_proj.weight", "cut": {"axis": 0, "group": "tp"}},
      {"match": "model.layers.{L}.mlp.down_proj.weight", "cut": {"axis": -1, "group": "tp"}},
      {"match": "model.layers.{L}.mlp.gate.weight", "shape": ["experts", 4]},
      {"match": "model.layers.{L}.mlp.experts.{E}.down_proj.weight", "expert": true,
       "cut": {"axis": 1, "group": "etp"}},
      {"match": "model.norm.weight", "stage": "last", "dtype": ["I32"]},
      {"match": "lm_head.weight", "stage": "last"}],
    "pairs": [
      {"out": "**.q_proj.weight", "out_part": "q_proj", "in_part": "o_proj"},
      {"out": "**.q_proj.weight", "out_part": "q_proj", "in_part": "k_proj", "in_axis": 0, "ratio": 2},
      {"out": "**.gate_proj.weight", "out_part": "gate_proj", "in_part": "down_proj"}]})");
}

Result<View> Build(const Json& table, Options options = {}) {
  static const MountableDirectory scratch;
  const std::string file = scratch.path() / "rules.json";
  std::ofstream(file, std::ios::binary | std::ios::trunc) << table.dump();
  options.emplace_back("rules", file);
  const RankCutLayout layout;
  SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ValuesOf(layout, options));
  return layout.Build(Source().checkpoint(), values, {});
}

struct Refused {
  const char* message;  // begins so
  StatusCode code;
  void (*make)(Json& table);
};

constexpr StatusCode kUsage = StatusCode::kInvalidArgument;
constexpr StatusCode kDamaged = StatusCode::kCorruption;

const Refused kRefused[] = {
    {"unknown-dim: 'head' is no name of dims", kUsage, [](Json& t) { t["rules"][1]["cut"]["units"] = "head"; }},
    {"unknown-dim: 'config:layers': config.json has no 'layers'", kUsage,
     [](Json& t) { t["layers"]["count"] = "config:layers"; }},
    {"bad-mesh: world 3 is not a multiple of tp*cp*pp = 2", kUsage, [](Json& t) { t["mesh"]["world"] = 3; }},
    {"bad-mesh: dp is 2, but world 2 over tp*cp*pp = 2 is 1", kUsage,
     [](Json& t) {
       t["mesh"] = {{"tp", 2}, {"world", 2}, {"dp", 2}};
     }},
    {"bad-mesh: order tp-cp lacks pp, whose size is 2", kUsage,
     [](Json& t) {
       t["mesh"] = {{"tp", 2}, {"pp", 2}, {"order", "tp-cp"}};
     }},
    {"bad-mesh: order tp-dp-pp lacks ep, whose size is 2 (in the expert grid", kUsage,
     [](Json& t) {
       t["mesh"] = {{"tp", 2}, {"ep", 2}, {"order", "tp-dp-pp"}};
     }},
    {"bad-mesh: rank 1: stage 1 in the dense grid, 0 in the expert grid", kUsage,
     [](Json& t) {
       t["mesh"] = {{"tp", 2}, {"pp", 2}, {"ep", 2}, {"order", "pp-tp-dp"}, {"expert_order", "ep-tp-dp-pp"}};
     }},
    {"bad-mesh: the sizes make more than 16384 ranks", kUsage, [](Json& t) { t["mesh"]["dp"] = 1ull << 40; }},
    {"unused-rule: model.layers.{L}.rope", kUsage,
     [](Json& t) {
       t["rules"].push_back({{"match", "model.layers.{L}.rope"}});
     }},
    {"two-rules: model.norm.weight: both model.norm.weight and *.norm.weight", kUsage,
     [](Json& t) {
       t["rules"].push_back({{"match", "*.norm.weight"}, {"stage", "last"}});
     }},
    {"no-stage: model.norm.weight: not in a layer, the rule must say a stage", kUsage,
     [](Json& t) { t["rules"][8].erase("stage"); }},
    {"bad-rule: stage 3 of 1 stages", kUsage, [](Json& t) { t["rules"][8]["stage"] = 3; }},
    {"stage-remainder: 2 layers over 4 stages", kUsage, [](Json& t) { t["mesh"]["pp"] = 4; }},
    {"stage-remainder: 2 layers over 2 stages, but counts [1, 2] are 2 stages of 3 layers", kUsage,
     [](Json& t) {
       t["mesh"]["pp"] = 2;
       t["layers"]["split"] = "explicit";
       t["layers"]["counts"] = {1, 2};
     }},
    {"stage-remainder: 2 layers over 2 stages: 3 with embedding and loss", kUsage,
     [](Json& t) {
       t["mesh"]["pp"] = 2;
       t["layers"]["split"] = "account";
       t["layers"]["loss"] = true;
     }},
    {"empty-stage: layer counts [1, 1, 0]", kUsage,
     [](Json& t) {
       t["mesh"]["pp"] = 3;
       t["layers"]["split"] = "ceil";
     }},
    {"not-divisible: lm_head.weight: 10 over 4", kUsage,
     [](Json& t) {
       t["mesh"]["tp"] = 4;
       t["rules"][9]["cut"] = {{"axis", 0}, {"group", "tp"}};
     }},
    {"not-divisible: experts: 4 over ep 3", kUsage,
     [](Json& t) {
       t["mesh"] = {{"tp", 3}, {"ep", 3}};
     }},
    {"not-divisible: lm_head.weight: axis 0 has 10 elements, no multiple of 4 units", kUsage,
     [](Json& t) {
       t["rules"][9]["cut"] = {{"axis", 0}, {"group", "tp"}, {"units", "heads"}};
     }},
    {"bad-axis: model.norm.weight: axis 1 of a tensor [4] of 1 axes", kUsage,
     [](Json& t) {
       t["rules"][8]["cut"] = {{"axis", 1}, {"group", "tp"}};
     }},
    {"bad-axis: lm_head.weight: axis 1 of [10, 4] is cut twice", kUsage,
     [](Json& t) {
       t["rules"][9]["cut"] = {{{"axis", 1}, {"group", "tp"}}, {{"axis", -1}, {"group", "ep"}}};
     }},
    {"empty-cut: lm_head.weight: tp 3 of 4 would hold nothing of the 5 on axis 0", kUsage,
     [](Json& t) {
       t["mesh"]["tp"] = 4;
       t["rules"][9]["cut"] = {{"axis", 0}, {"group", "tp"}, {"units", 5}, {"uneven", "ceil"}};
     }},
    {"pair: rank 0: model.layers.0.self_attn.q_proj.weight holds units (0, 2), "
     "model.layers.0.self_attn.o_proj.weight takes None",
     kUsage, [](Json& t) { t["rules"][3]["cut"]["axis"] = 0; }},
    {"pair: rank 1: model.layers.0.self_attn.q_proj.weight holds units (2, 4), "
     "model.layers.0.self_attn.k_proj.weight takes (0, 1)",
     kUsage,
     [](Json& t) {
       t["rules"][2]["cut"] = {{"axis", 0}, {"group", "tp"}, {"units", 1}, {"replicate", true}};
     }},
    {"pair: rank 0: model.layers.0.mlp.gate_proj.weight has no partner 'model.layers.0.mlp.up_proj.weight'", kUsage,
     [](Json& t) { t["pairs"][2]["in_part"] = "up_proj"; }},
    {"lost: lm_head.weight: axis 0 at 0, axis 1 at 2 is on none of the 2 ranks", kUsage,
     [](Json& t) {
       t["rules"][9]["cut"] = {{{"axis", 0}, {"group", "tp"}}, {{"axis", 1}, {"group", "tp"}}};
     }},
    {"lost: model.layers.1.mlp.experts.0.down_proj.weight: axis 1 at 4 is on none", kUsage,
     [](Json& t) {
       t["mesh"]["ep"] = 2;
       t["rules"][7]["cut"]["group"] = "tp";
     }},
    {"copies: model.layers.1.mlp.experts.0.down_proj.weight: axis 1 at 0 is on 2 ranks, but 3 ranks with 2 slices make "
     "1.5",
     kUsage,
     [](Json& t) {
       t["mesh"] = {{"tp", 2}, {"dp", 3}, {"ep", 2}, {"etp", 3}};
       t["rules"][7]["cut"]["group"] = "tp";
     }},
    {"name-clash: 'x' would be made of both model.layers.0.self_attn.k_proj.weight and", kUsage,
     [](Json& t) { t["rules"][2]["as"] = "x"; }},
    {"file-clash: 'a.safetensors': rank 1 and rank 0 differ", kUsage,
     [](Json& t) { t["files"]["name"] = "a.safetensors"; }},
    {"no-rule: model.norm.weight", kDamaged, [](Json& t) { t["rules"].erase(8); }},
    {"layer-range: model.layers.1.mlp.experts.0.down_proj.weight: layer 1 of 1", kDamaged,
     [](Json& t) { t["layers"]["count"] = 1; }},
    {"expert-range: model.layers.1.mlp.experts.2.down_proj.weight: expert 2 of 2", kDamaged,
     [](Json& t) { t["experts"]["count"] = 2; }},
    {"shape: model.layers.1.mlp.gate.weight: [4, 4], the rule says [8, 4]", kDamaged,
     [](Json& t) {
       t["rules"][6]["shape"] = {"experts*2", 4};
     }},
    {"shape: model.layers.0.self_attn.k_proj.weight: axis 0 has 4 elements, the rule says 2 units of 4", kDamaged,
     [](Json& t) { t["rules"][2]["cut"]["unit_size"] = 4; }},
    {"shape: model.layers.0.mlp.gate_proj.weight: axis 0 has 8 elements, the rule's blocks have 6", kDamaged,
     [](Json& t) {
       t["rules"][4]["cut"] = {{"axis", 0}, {"group", "tp"}, {"blocks", {{{"size", 4}}, {{"size", 2}}}}};
     }},
    {"dtype: model.norm.weight: I32, the rule says BF16 or F16", kDamaged,
     [](Json& t) {
       t["rules"][8]["dtype"] = {"BF16", "F16"};
     }},
};

TEST(RankCutLayout, RefusesByCodeWithTheTensorAndBothNumbers) {
  ASSERT_TRUE(Build(Table()).ok()) << Build(Table()).status();
  for (const Refused& refused : kRefused) {
    Json table = Table();
    refused.make(table);
    const auto view = Build(table);
    ASSERT_FALSE(view.ok()) << refused.message;
    EXPECT_THAT(std::string(view.status().message()), StartsWith(refused.message));
    EXPECT_EQ(view.status().code(), refused.code) << refused.message;
  }
}

std::vector<std::pair<std::string, std::uint64_t>> Sizes(const Result<View>& view) {
  return view.ok() ? view->sizes : std::vector<std::pair<std::string, std::uint64_t>>{};
}

TEST(RankCutLayout, GivenSizesReplaceTheTablesAndWhatHeldWithThem) {
  Json table = Table();
  table["mesh"] = {{"tp", 2}, {"etp", 2}, {"dp", 2}, {"world", 4}};
  EXPECT_THAT(Sizes(Build(table)), Contains(Pair("world_size", 4)));
  const auto one = Build(table, {{"tp", "1"}, {"sp", "4"}});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_THAT(one->sizes, ElementsAre(Pair("world_size", 1), Pair("tp", 1), Pair("pp", 1), Pair("ep", 1),
                                      Pair("etp", 1), Pair("cp", 1), Pair("dp", 1)));
  EXPECT_THAT(Sizes(Build(table, {{"ep", "2"}})), Contains(Pair("etp", 1)));
  EXPECT_THAT(Sizes(Build(table, {{"ep", "2"}})), Contains(Pair("dp", 2)));  // ep leaves the world as it is
  EXPECT_THAT(Sizes(Build(table, {{"expert_parallel", "true"}})), Contains(Pair("ep", 2)));
  const auto twice = Build(table, {{"expert_parallel", "true"}, {"etp", "1"}});
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(std::string(twice.status().message()), StartsWith("bad-mesh: expert_parallel and ep or etp"));
}

TEST(RankCutLayout, HeadAndRouterAreCutAsAskedFor) {
  const auto split = Build(Table(), {{"lm_head", "split"}, {"embed_tokens", "split"}});
  ASSERT_TRUE(split.ok()) << split.status();
  const auto tensors = ReadTensors(*FindFile(*split->tree, "rank_00001/model.safetensors"));
  EXPECT_EQ(tensors.at("lm_head.weight").shape, (Shape{5, 4}));
  EXPECT_EQ(tensors.at("lm_head.weight").elements.front(), Source().Element("lm_head.weight", 20));
  EXPECT_EQ(tensors.at("model.embed_tokens.weight").shape, (Shape{5, 4}));
  const auto rolled = Build(Table(), {{"router", "rolled"}, {"ep", "2"}});
  ASSERT_TRUE(rolled.ok()) << rolled.status();
  const auto router =
      ReadTensors(*FindFile(*rolled->tree, "rank_00001/model.safetensors")).at("model.layers.1.mlp.gate.weight");
  EXPECT_EQ(router.elements.front(), Source().Element("model.layers.1.mlp.gate.weight", 8));
  EXPECT_EQ(router.elements.back(), Source().Element("model.layers.1.mlp.gate.weight", 7));
  Json table = Table();
  table["rules"].erase(6);
  const auto missing = Build(table, {{"router", "rolled"}});
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(std::string(missing.status().message()), StartsWith("bad-rule: router is given, but the table has no"));
}

TEST(RankCutLayout, AsksWhatNoFileTells) {
  const auto view = Build(Table(), {{"pp", "2"}, {"expert_parallel", "true"}});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_THAT(view->questions, Contains(HasSubstr("-O order=")));
  EXPECT_THAT(view->questions, Contains(HasSubstr("-O router=rolled")));
  EXPECT_THAT(view->questions, Contains(HasSubstr("-O lm_head=split")));
  EXPECT_THAT(view->warnings, IsEmpty());
  EXPECT_THAT(Build(Table(), {{"lm_head", "split"}})->questions, Contains(HasSubstr("-O lm_head=whole")));
  EXPECT_THAT(Build(Table(), {{"tp", "1"}})->questions, IsEmpty());
}

TEST(RankCutLayout, SaysHowEachRuleCuts) {
  Json table = Table();
  table["mesh"] = {{"tp", 4}, {"pp", 2}, {"ep", 2}, {"etp", 2}};
  table["rules"][6]["roll"] = "ep";
  const auto view = Build(table);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_THAT(
      view->account,
      UnorderedElementsAre("model.embed_tokens.weight: 1 tensor [10, 4]; on the first stage; whole",
                  "model.layers.{L}.self_attn.q_proj.weight: 2 tensors [8, 4]; on the stage of its layer; axis 0 over tp "
                  "4: [2, 4] a rank",
                  "model.layers.{L}.self_attn.k_proj.weight: 2 tensors [4, 4]; on the stage of its layer; axis 0 over tp "
                  "4 in 2 slices, each on 2 ranks: [2, 4] a rank",
                  "model.layers.{L}.self_attn.o_proj.weight: 2 tensors [4, 8]; on the stage of its layer; axis 1 over tp "
                  "4: [4, 2] a rank",
                  "model.layers.{L}.mlp.gate_proj.weight: 1 tensor [8, 4]; on the stage of its layer; axis 0 over tp 4: "
                  "[2, 4] a rank",
                  "model.layers.{L}.mlp.down_proj.weight: 1 tensor [4, 8]; on the stage of its layer; axis 1 over tp 4: "
                  "[4, 2] a rank",
                  "model.layers.{L}.mlp.gate.weight: 1 tensor [4, 4]; on the stage of its layer; axis 0 rotated by ep 2: "
                  "[4, 4] a rank",
                  "model.layers.{L}.mlp.experts.{E}.down_proj.weight: 4 tensors [4, 8]; on the stage of its layer, "
                  "experts over ep 2; axis 1 over etp 2: [4, 4] a rank",
                  "model.norm.weight: 1 tensor [4]; on the last stage; whole",
                  "lm_head.weight: 1 tensor [10, 4]; on the last stage; whole"));
}

TEST(RankCutLayout, SaysWhereEachRankStandsAndWhatItHolds) {
  const auto view = Build(Table(), {{"pp", "2"}, {"expert_parallel", "true"}});
  ASSERT_TRUE(view.ok()) << view.status();
  ASSERT_EQ(view->ranks.size(), 4u);
  const RankDescription& rank = view->ranks[3];
  EXPECT_THAT(rank.coordinates, Contains(Pair("tp", 1)));
  EXPECT_THAT(rank.coordinates, Contains(Pair("pp", 1)));
  EXPECT_EQ(rank.layers.begin, 1u);
  EXPECT_EQ(rank.layers.end, 2u);
  EXPECT_EQ(rank.experts.begin, 2u);
  EXPECT_EQ(rank.experts.whole, 4u);
  EXPECT_EQ(rank.heads.begin, 2u);
  EXPECT_EQ(rank.heads.whole, 4u);
  EXPECT_EQ(view->ranks[0].dense_slice.whole, 2u);
  EXPECT_EQ(view->expert_groups, 2u);
  EXPECT_EQ(view->layers, 2u);
}

TEST(RankCutLayout, RanksWithEqualTensorsMayShareAFile) {
  Json table = Table();
  table["mesh"] = {{"tp", 2}, {"dp", 2}, {"pp", 2}};
  table["files"]["name"] = "t{tp}-p{pp}.safetensors";
  const auto view = Build(table);
  ASSERT_TRUE(view.ok()) << view.status();
  NodeId id = 0;
  const VirtualNode* const node = view->tree->FindChild(kRootNode, "t1-p0.safetensors", &id);
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->ranks, RankSet({1, 3}));
  EXPECT_EQ(view->tree->file_count(), 5u);
}

TEST(RankCutLayout, DroppedTensorsAreAccountedFor) {
  Json table = Table();
  table["rules"][9] = {{"match", "lm_head.weight"}, {"drop", true}};
  const auto view = Build(table);
  ASSERT_TRUE(view.ok()) << view.status();
  ASSERT_EQ(view->ignored.size(), 1u);
  EXPECT_EQ(view->ignored[0].name, "lm_head.weight");
  EXPECT_EQ(view->ignored[0].reason, "the table drops it");
}

// What is printed of a preset and given to --rules makes the same view.
TEST(RankCutLayout, APresetAndItsTextMakeTheSameView) {
  TinyCheckpoint source;
  std::vector<NewTensor> tensors = {{"model.embed_tokens.weight", Dtype::kBF16, {8, 4}},
                                    {"model.norm.weight", Dtype::kBF16, {4}},
                                    {"lm_head.weight", Dtype::kBF16, {8, 4}}};
  for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
    tensors.push_back({std::string("model.layers.0.") + name + ".weight", Dtype::kBF16, {4, 4}});
  }
  for (const char* name : {"input_layernorm", "post_attention_layernorm"}) {
    tensors.push_back({std::string("model.layers.0.") + name + ".weight", Dtype::kBF16, {4}});
  }
  source.AddShard("model.safetensors", tensors)
      .AddFile("config.json", R"({"hidden_size": 4, "num_attention_heads": 2, "num_key_value_heads": 2,
                                  "num_hidden_layers": 1})")
      .AddFile("rules.txt", std::string(rank_cut::FindPreset("llama")->text));
  const RankCutLayout layout;
  const auto build = [&](const Options& options) {
    return layout.Build(source.Open(), *ValuesOf(layout, options), {});
  };
  const auto preset = build({{"preset", "llama"}, {"tp", "2"}});
  const auto rules = build({{"rules", source.path() + "/rules.txt"}, {"tp", "2"}});
  ASSERT_TRUE(preset.ok()) << preset.status();
  ASSERT_TRUE(rules.ok()) << rules.status();
  const auto bytes_of = [](const View& view, NodeId id) {
    std::string bytes(view.tree->node(id).file->size(), '\0');
    EXPECT_TRUE(view.tree->node(id).file->ReadAt(0, std::as_writable_bytes(std::span(bytes))).ok());
    return bytes;
  };
  ASSERT_EQ(preset->tree->size(), rules->tree->size());
  for (NodeId id = 0; id < preset->tree->size(); ++id) {
    EXPECT_EQ(preset->tree->PathOf(id), rules->tree->PathOf(id));
    if (preset->tree->node(id).is_directory()) continue;
    EXPECT_EQ(bytes_of(*preset, id), bytes_of(*rules, id));
  }
  EXPECT_FALSE(build({{"tp", "2"}}).ok());
  EXPECT_FALSE(build({{"preset", "llama"}, {"rules", source.path() + "/rules.txt"}}).ok());
}

}  // namespace
}  // namespace shardfs::testing
