// The table is read top down, an object at a time (table_object.h). What is refused here can be said of the table
// alone: keys, types, what excludes what. Sizes are expressions, which wait for config.json and the mesh.
#include "layout/rank_cut/rule_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/quote_name.h"
#include "layout/rank_cut/file_name.h"
#include "layout/rank_cut/refusal.h"
#include "layout/rank_cut/rule_reader.h"
#include "layout/rank_cut/table_object.h"

namespace shardfs::rank_cut {
namespace {

constexpr JsonLimits kLimits = {.max_bytes = std::size_t{16} << 20, .max_depth = 16, .max_values = 500'000};
constexpr std::size_t kMaxDims = 1000;
constexpr std::size_t kMaxRules = 10'000;

constexpr std::array<std::string_view, 11> kTableKeys = {"rank_cut", "arch",  "why",   "mesh",   "dims", "layers",
                                                         "experts",  "rules", "pairs", "scales", "files"};
constexpr std::array<std::string_view, 10> kMeshKeys = {"tp",  "cp",    "dp",    "pp",           "ep",
                                                        "etp", "world", "order", "expert_order", "why"};
constexpr std::array<std::string_view, 11> kLayersKeys = {
    "count", "split", "names", "extra", "first", "last", "embedding", "loss", "counts", "allow_empty", "why"};
constexpr std::array<std::string_view, 3> kExtraKeys = {"index", "stage", "why"};
constexpr std::array<std::string_view, 4> kExpertsKeys = {"count", "names", "uneven", "why"};
constexpr std::array<std::string_view, 7> kPairKeys = {"out",     "out_part", "in_part", "out_axis",
                                                       "in_axis", "ratio",    "why"};
constexpr std::array<std::string_view, 5> kScaleKeys = {"match", "scale_part", "weight_part", "block", "why"};
constexpr std::array<std::string_view, 3> kFilesKeys = {"name", "metadata", "why"};
constexpr std::array<std::string_view, 2> kNames = {"global", "local"};
constexpr std::array<std::string_view, 7> kSplits = {"even", "ceil",    "remainder_first", "remainder_last",
                                                     "ends", "account", "explicit"};

Result<MeshSpec> ReadMesh(const JsonValue& value) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "mesh", kMeshKeys));
  MeshSpec mesh;
  for (const auto& [key, size] :
       {std::pair("tp", &mesh.tp), std::pair("cp", &mesh.cp), std::pair("dp", &mesh.dp), std::pair("pp", &mesh.pp),
        std::pair("ep", &mesh.ep), std::pair("etp", &mesh.etp), std::pair("world", &mesh.world)}) {
    SHARDFS_ASSIGN_OR_RETURN(*size, object.Size(key));
  }
  SHARDFS_ASSIGN_OR_RETURN(const auto order, object.Text("order"));
  mesh.order = order.value_or(mesh.order);
  SHARDFS_ASSIGN_OR_RETURN(mesh.expert_order, object.Text("expert_order"));
  return mesh;
}

// Keys that only one way to split takes are refused with the others: they would do nothing there.
Status CheckSplitKeys(const TableObject& object, LayersSpec::Split split) {
  constexpr std::array<std::pair<std::string_view, LayersSpec::Split>, 5> kOwners = {
      {{"first", LayersSpec::Split::kEnds},
       {"last", LayersSpec::Split::kEnds},
       {"embedding", LayersSpec::Split::kAccount},
       {"loss", LayersSpec::Split::kAccount},
       {"counts", LayersSpec::Split::kExplicit}}};
  for (const auto& [key, owner] : kOwners) {
    if (object.Find(key) == nullptr || owner == split) continue;
    return Refuse("bad-rule",
                  fmt::format("layers has {} and the split {}; only {} takes it", key,
                              kSplits[static_cast<std::size_t>(split)], kSplits[static_cast<std::size_t>(owner)]));
  }
  if (split == LayersSpec::Split::kExplicit && object.Find("counts") == nullptr) return object.Missing("counts");
  if (split == LayersSpec::Split::kEnds && object.Find("first") == nullptr && object.Find("last") == nullptr) {
    return object.Missing("first or last");
  }
  return Status::Ok();
}

// Reads each item of the list at `key` by `read`.
template <typename Item, typename Read>
Status ReadList(const TableObject& object, std::string_view key, const Read& read, std::vector<Item>& list) {
  SHARDFS_ASSIGN_OR_RETURN(const auto items, object.Items(key));
  if (items.size() > kMaxRules) {
    return Refuse("bad-rule", fmt::format("the table has {} {}, more than {}", items.size(), key, kMaxRules));
  }
  for (const JsonValue* const value : items) {
    SHARDFS_ASSIGN_OR_RETURN(Item item, read(*value));
    list.push_back(std::move(item));
  }
  return Status::Ok();
}

Result<ExtraLayer> ReadExtra(const JsonValue& value) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "an extra layer", kExtraKeys));
  ExtraLayer layer;
  SHARDFS_ASSIGN_OR_RETURN(layer.index, object.RequiredNumber("index"));
  SHARDFS_ASSIGN_OR_RETURN(layer.stage, ReadStage(object));
  if (layer.stage.kind == StageRule::Kind::kOfLayer) return object.Missing("stage");
  if (layer.stage.kind == StageRule::Kind::kAll) return object.Wrong("stage", "first, last or a number");
  return layer;
}

Result<LayersSpec> ReadLayers(const JsonValue& value) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "layers", kLayersKeys));
  LayersSpec layers;
  SHARDFS_ASSIGN_OR_RETURN(layers.count, object.RequiredNumber("count"));
  SHARDFS_ASSIGN_OR_RETURN(const std::size_t split, object.Choice("split", kSplits, 0));
  layers.split = static_cast<LayersSpec::Split>(split);
  SHARDFS_RETURN_IF_ERROR(CheckSplitKeys(object, layers.split));
  SHARDFS_ASSIGN_OR_RETURN(layers.first, object.Number("first"));
  SHARDFS_ASSIGN_OR_RETURN(layers.last, object.Number("last"));
  SHARDFS_ASSIGN_OR_RETURN(layers.counts_embedding, object.Switch("embedding", false));
  SHARDFS_ASSIGN_OR_RETURN(layers.counts_loss, object.Switch("loss", false));
  SHARDFS_ASSIGN_OR_RETURN(layers.counts, object.Numbers("counts"));
  SHARDFS_ASSIGN_OR_RETURN(layers.allow_empty, object.Switch("allow_empty", false));
  SHARDFS_ASSIGN_OR_RETURN(const std::size_t names, object.Choice("names", kNames, 0));
  layers.local_names = names == 1;
  SHARDFS_RETURN_IF_ERROR(ReadList(object, "extra", ReadExtra, layers.extra));
  return layers;
}

Result<ExpertsSpec> ReadExperts(const JsonValue& value) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "experts", kExpertsKeys));
  ExpertsSpec experts;
  SHARDFS_ASSIGN_OR_RETURN(experts.count, object.RequiredNumber("count"));
  SHARDFS_ASSIGN_OR_RETURN(const std::size_t names, object.Choice("names", kNames, 0));
  experts.local_names = names == 1;
  SHARDFS_ASSIGN_OR_RETURN(experts.uneven, ReadUneven(object));
  return experts;
}

Result<NamePattern> ReadPattern(const TableObject& object, std::string_view key) {
  SHARDFS_ASSIGN_OR_RETURN(const std::string text, object.RequiredText(key));
  return NamePattern::Parse(text);
}

Result<PairRule> ReadPair(const JsonValue& value) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "a pair", kPairKeys));
  PairRule pair;
  SHARDFS_ASSIGN_OR_RETURN(pair.out, ReadPattern(object, "out"));
  SHARDFS_ASSIGN_OR_RETURN(pair.out_part, object.RequiredText("out_part"));
  SHARDFS_ASSIGN_OR_RETURN(pair.in_part, object.RequiredText("in_part"));
  SHARDFS_ASSIGN_OR_RETURN(const auto out_axis, object.Integer("out_axis"));
  SHARDFS_ASSIGN_OR_RETURN(const auto in_axis, object.Integer("in_axis"));
  pair.out_axis = out_axis.value_or(0);
  pair.in_axis = in_axis.value_or(1);
  SHARDFS_ASSIGN_OR_RETURN(pair.ratio, object.Number("ratio"));
  return pair;
}

Result<ScaleRule> ReadScale(const JsonValue& value) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "a scale", kScaleKeys));
  ScaleRule scale;
  SHARDFS_ASSIGN_OR_RETURN(scale.match, ReadPattern(object, "match"));
  SHARDFS_ASSIGN_OR_RETURN(scale.scale_part, object.RequiredText("scale_part"));
  SHARDFS_ASSIGN_OR_RETURN(scale.weight_part, object.RequiredText("weight_part"));
  SHARDFS_ASSIGN_OR_RETURN(scale.block, object.Numbers("block"));
  if (scale.block.empty()) return object.Missing("block");
  return scale;
}

Status ReadFiles(const JsonValue& value, RuleTable& table) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "files", kFilesKeys));
  SHARDFS_ASSIGN_OR_RETURN(const auto name, object.Text("name"));
  table.file_name = name.value_or(table.file_name);
  const JsonValue* const metadata = object.Find("metadata");
  if (metadata == nullptr) return Status::Ok();
  if (!metadata->is_object()) return object.Wrong("metadata", "an object of texts, or null");
  for (const auto& [key, text] : metadata->members()) {
    if (!text.is_string()) return object.Wrong("metadata", "an object of texts, or null");
    table.metadata.emplace_back(key, text.text());
  }
  return Status::Ok();
}

Status ReadDims(const TableObject& object, RuleTable& table) {
  const JsonValue* const dims = object.Find("dims");
  if (dims == nullptr) return Status::Ok();
  if (!dims->is_object()) return object.Wrong("dims", "an object of names and sizes");
  if (dims->members().size() > kMaxDims) {
    return Refuse("bad-rule", fmt::format("dims has {} names, more than {}", dims->members().size(), kMaxDims));
  }
  std::vector<std::string_view> names;
  for (const JsonMember& member : dims->members()) names.push_back(member.first);
  SHARDFS_ASSIGN_OR_RETURN(const TableObject list, TableObject::Create(*dims, "dims", names));
  for (const std::string_view name : names) {
    constexpr std::array<std::string_view, 4> kTaken = {"tp", "pp", "ep", "etp"};
    if (std::find(kTaken.begin(), kTaken.end(), name) != kTaken.end()) {
      return Refuse("bad-rule", fmt::format("dims has {}, which is a size of the mesh; give it another name", name));
    }
    SHARDFS_ASSIGN_OR_RETURN(Expression expression, list.RequiredNumber(name));
    table.dims.emplace_back(name, std::move(expression));
  }
  return Status::Ok();
}

// What the rules need of the rest of the table.
Status CheckSections(const RuleTable& table) {
  for (const Rule& rule : table.rules) {
    if (rule.drop) continue;
    const bool has_layer = std::any_of(rule.match.begin(), rule.match.end(),
                                       [](const NamePattern& pattern) { return pattern.layer_wildcard().has_value(); });
    if (has_layer && !table.layers) {
      return Refuse("bad-rule", fmt::format("rule {} has {{L}}, but the table has no layers", rule.text()));
    }
    if ((rule.expert || rule.rolls) && !table.experts) {
      return Refuse("bad-rule", fmt::format("rule {} has {}, but the table has no experts", rule.text(),
                                            rule.expert ? "expert" : "roll"));
    }
  }
  return Status::Ok();
}

Result<RuleTable> ReadTable(const JsonValue& document) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(document, "the table", kTableKeys));
  SHARDFS_ASSIGN_OR_RETURN(const auto version, object.Integer("rank_cut"));
  if (!version) return object.Missing("rank_cut; write \"rank_cut\": 1");
  if (*version != 1) return Refuse("bad-rule", fmt::format("rank_cut is {}; this program reads 1", *version));
  RuleTable table;
  if (const JsonValue* mesh = object.Find("mesh")) {
    SHARDFS_ASSIGN_OR_RETURN(table.mesh, ReadMesh(*mesh));
  }
  SHARDFS_RETURN_IF_ERROR(ReadDims(object, table));
  if (const JsonValue* layers = object.Find("layers")) {
    SHARDFS_ASSIGN_OR_RETURN(table.layers, ReadLayers(*layers));
  }
  if (const JsonValue* experts = object.Find("experts")) {
    SHARDFS_ASSIGN_OR_RETURN(table.experts, ReadExperts(*experts));
  }
  SHARDFS_RETURN_IF_ERROR(ReadList(object, "rules", ReadRule, table.rules));
  if (table.rules.empty()) return object.Missing("rules");
  SHARDFS_RETURN_IF_ERROR(ReadList(object, "pairs", ReadPair, table.pairs));
  SHARDFS_RETURN_IF_ERROR(ReadList(object, "scales", ReadScale, table.scales));
  if (const JsonValue* files = object.Find("files")) SHARDFS_RETURN_IF_ERROR(ReadFiles(*files, table));
  SHARDFS_RETURN_IF_ERROR(FileName::Parse(table.file_name).status());
  SHARDFS_RETURN_IF_ERROR(CheckSections(table));
  return table;
}

}  // namespace

Result<RuleTable> ReadRuleTable(std::string_view json, std::string_view what) {
  const auto document = ParseJson(json, what, kLimits);
  if (!document.ok()) return Refuse("bad-rule", document.status().message());
  return ReadTable(*document);
}

}  // namespace shardfs::rank_cut
