#include "layout/rank_cut/rule_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "layout/rank_cut/refusal.h"

namespace shardfs::rank_cut {
namespace {

constexpr std::size_t kMaxCuts = 8;
constexpr std::size_t kMaxBlocks = 64;

constexpr std::array<std::string_view, 12> kRuleKeys = {"match", "cut",  "expert", "stage", "shape",    "dtype",
                                                        "as",    "also", "roll",   "drop",  "optional", "why"};
constexpr std::array<std::string_view, 9> kCutKeys = {"axis",      "group",  "uneven", "units", "unit_size",
                                                      "replicate", "blocks", "pad",    "why"};
constexpr std::array<std::string_view, 5> kBlockKeys = {"size", "units", "unit_size", "replicate", "why"};
constexpr std::array<std::string_view, 3> kPadKeys = {"multiple", "per_rank", "why"};
constexpr std::array<std::string_view, 4> kAlsoKeys = {"as", "stage", "if_absent", "why"};
constexpr std::array<std::string_view, 3> kGroups = {"tp", "ep", "etp"};
constexpr std::array<std::string_view, 2> kUneven = {"ceil", "first"};
constexpr std::array<std::string_view, 1> kRoll = {"ep"};

// `object` has units, unit_size and replicate, whatever it is.
Status CheckUnits(const TableObject& object, bool has_units, bool has_unit_size, bool replicates) {
  if (has_units) return Status::Ok();
  if (has_unit_size) return Refuse("bad-rule", fmt::format("{} has unit_size without units", object.what()));
  if (replicates) return Refuse("bad-rule", fmt::format("{} has replicate without units", object.what()));
  return Status::Ok();
}

Result<CutBlock> ReadBlock(const JsonValue& value, const std::string& what) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "a block of " + what, kBlockKeys));
  CutBlock block;
  SHARDFS_ASSIGN_OR_RETURN(block.size, object.RequiredNumber("size"));
  SHARDFS_ASSIGN_OR_RETURN(block.units, object.Number("units"));
  SHARDFS_ASSIGN_OR_RETURN(block.unit_size, object.Number("unit_size"));
  SHARDFS_ASSIGN_OR_RETURN(block.replicate, object.Switch("replicate", false));
  SHARDFS_RETURN_IF_ERROR(CheckUnits(object, block.units.has_value(), block.unit_size.has_value(), block.replicate));
  return block;
}

Result<CutPad> ReadPad(const JsonValue& value, const std::string& what) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "the pad of " + what, kPadKeys));
  CutPad pad;
  SHARDFS_ASSIGN_OR_RETURN(pad.multiple, object.RequiredNumber("multiple"));
  SHARDFS_ASSIGN_OR_RETURN(pad.per_rank, object.Switch("per_rank", true));
  return pad;
}

// What would contradict the other way to cut, or do nothing beside it.
Status CheckExclusive(const TableObject& object, const CutRule& cut) {
  const auto refuse = [&](std::string_view one, std::string_view other) {
    return Refuse("bad-rule", fmt::format("{} has {} and {}; give one of them", object.what(), one, other));
  };
  if (object.Find("blocks") != nullptr) {
    if (cut.blocks.empty()) return object.Wrong("blocks", "a list of at least one block");
    for (const std::string_view key : {"units", "unit_size", "replicate", "uneven", "pad"}) {
      if (object.Find(key) != nullptr) return refuse("blocks", key);
    }
  }
  if (cut.pad) {
    for (const std::string_view key : {"units", "unit_size", "replicate", "uneven"}) {
      if (object.Find(key) != nullptr) return refuse("pad", key);
    }
  }
  if (cut.replicate && cut.uneven != Uneven::kRefused) return refuse("replicate", "uneven");
  return CheckUnits(object, cut.units.has_value(), cut.unit_size.has_value(), cut.replicate);
}

Result<CutRule> ReadCut(const JsonValue& value, const std::string& rule) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, "a cut of " + rule, kCutKeys));
  CutRule cut;
  SHARDFS_ASSIGN_OR_RETURN(const auto axis, object.Integer("axis"));
  if (!axis) return object.Missing("axis");
  cut.axis = *axis;
  if (object.Find("group") == nullptr) return object.Missing("group");
  SHARDFS_ASSIGN_OR_RETURN(const std::size_t group, object.Choice("group", kGroups, 0));
  cut.group = static_cast<CutGroup>(group);
  SHARDFS_ASSIGN_OR_RETURN(cut.uneven, ReadUneven(object));
  SHARDFS_ASSIGN_OR_RETURN(cut.units, object.Number("units"));
  SHARDFS_ASSIGN_OR_RETURN(cut.unit_size, object.Number("unit_size"));
  SHARDFS_ASSIGN_OR_RETURN(cut.replicate, object.Switch("replicate", false));
  SHARDFS_ASSIGN_OR_RETURN(const auto blocks, object.Items("blocks"));
  if (blocks.size() > kMaxBlocks) return object.Wrong("blocks", fmt::format("a list of at most {}", kMaxBlocks));
  for (const JsonValue* const item : blocks) {
    SHARDFS_ASSIGN_OR_RETURN(CutBlock block, ReadBlock(*item, object.what()));
    cut.blocks.push_back(std::move(block));
  }
  if (const JsonValue* const pad = object.Find("pad")) {
    SHARDFS_ASSIGN_OR_RETURN(cut.pad, ReadPad(*pad, object.what()));
  }
  SHARDFS_RETURN_IF_ERROR(CheckExclusive(object, cut));
  return cut;
}

Status ReadCuts(const TableObject& object, Rule& rule) {
  const auto cuts = object.OneOrMore("cut");
  if (cuts.size() > kMaxCuts) return object.Wrong("cut", fmt::format("a cut, or a list of at most {}", kMaxCuts));
  for (const JsonValue* const item : cuts) {
    SHARDFS_ASSIGN_OR_RETURN(CutRule cut, ReadCut(*item, rule.text()));
    for (const CutRule& other : rule.cuts) {
      if (other.axis == cut.axis) {
        return Refuse("bad-rule", fmt::format("{} has two cuts of axis {}", object.what(), cut.axis));
      }
      if (other.pad) return Refuse("bad-rule", fmt::format("{} has a pad before its last cut", object.what()));
    }
    rule.cuts.push_back(std::move(cut));
  }
  return Status::Ok();
}

Status ReadMatch(const TableObject& object, Rule& rule) {
  for (const JsonValue* const item : object.OneOrMore("match")) {
    if (!item->is_string() || item->text().empty()) return object.Wrong("match", "a pattern, or a list of patterns");
    SHARDFS_ASSIGN_OR_RETURN(NamePattern pattern, NamePattern::Parse(item->text()));
    rule.match.push_back(std::move(pattern));
  }
  return rule.match.empty() ? object.Missing("match") : Status::Ok();
}

Status ReadDtypes(const TableObject& object, Rule& rule) {
  SHARDFS_ASSIGN_OR_RETURN(const auto names, object.Items("dtype"));
  for (const JsonValue* const name : names) {
    const auto dtype = name->is_string() ? DtypeFromName(name->text()) : std::nullopt;
    if (!dtype) return object.Wrong("dtype", "a list of names as \"BF16\" and \"F8_E4M3\"");
    rule.dtypes.push_back(*dtype);
  }
  if (object.Find("dtype") != nullptr && names.empty()) return object.Wrong("dtype", "a list that is not empty");
  return Status::Ok();
}

Result<std::vector<OutputName>> ReadAs(const TableObject& object, const Rule& rule) {
  std::vector<OutputName> names;
  SHARDFS_ASSIGN_OR_RETURN(const auto text, object.Text("as"));
  if (!text) return names;
  for (const NamePattern& pattern : rule.match) {
    SHARDFS_ASSIGN_OR_RETURN(OutputName name, OutputName::Parse(*text, pattern));
    names.push_back(std::move(name));
  }
  return names;
}

Status ReadAlso(const TableObject& object, Rule& rule) {
  SHARDFS_ASSIGN_OR_RETURN(const auto items, object.Items("also"));
  for (const JsonValue* const item : items) {
    SHARDFS_ASSIGN_OR_RETURN(const TableObject one, TableObject::Create(*item, "also of " + rule.text(), kAlsoKeys));
    AlsoOutput also;
    SHARDFS_ASSIGN_OR_RETURN(also.as, ReadAs(one, rule));
    if (also.as.empty()) return one.Missing("as");
    SHARDFS_ASSIGN_OR_RETURN(also.stage, ReadStage(one));
    const StageRule::Kind kind = also.stage.kind;
    if (kind == StageRule::Kind::kAll || kind == StageRule::Kind::kNumber) return one.Wrong("stage", "first or last");
    SHARDFS_ASSIGN_OR_RETURN(const auto if_absent, one.Text("if_absent"));
    also.if_absent = if_absent.value_or("");
    rule.also.push_back(std::move(also));
  }
  return Status::Ok();
}

// "rule <its first pattern>", as far as it has one.
std::string RuleNameOf(const JsonValue& value) {
  const JsonValue* match = value.Find("match");
  if (match != nullptr && match->is_array() && !match->items().empty()) match = &match->items().front();
  return match != nullptr && match->is_string() ? "rule " + match->text() : "a rule";
}

// What excludes what in a rule.
Status CheckRule(const TableObject& object, const Rule& rule) {
  for (const NamePattern& pattern : rule.match) {
    if (rule.drop) break;
    if (pattern.expert_wildcard().has_value() == rule.expert) continue;
    return Refuse("bad-rule",
                  fmt::format("{}: expert must be true where the pattern has {{E}}, and only there", pattern.text()));
  }
  if (rule.drop) {
    for (const std::string_view key : {"cut", "as", "also", "roll"}) {
      if (object.Find(key) == nullptr) continue;
      return Refuse("bad-rule", fmt::format("{} has drop and {}; a dropped tensor has none", object.what(), key));
    }
  }
  if (!rule.rolls) return Status::Ok();
  if (rule.expert) return Refuse("bad-rule", fmt::format("{} has roll and expert", object.what()));
  for (const CutRule& cut : rule.cuts) {
    if (cut.axis != 0) continue;
    return Refuse("bad-rule", fmt::format("{} has roll and a cut of axis 0; give one of them", object.what()));
  }
  return Status::Ok();
}

}  // namespace

std::string_view CutGroupName(CutGroup group) { return kGroups[static_cast<std::size_t>(group)]; }

Result<StageRule> ReadStage(const TableObject& object) {
  StageRule stage;
  const JsonValue* const value = object.Find("stage");
  if (value == nullptr) return stage;
  const auto text = value->AsString();
  stage.kind = text == "first"  ? StageRule::Kind::kFirst
               : text == "last" ? StageRule::Kind::kLast
               : text == "all"  ? StageRule::Kind::kAll
                                : StageRule::Kind::kNumber;
  if (stage.kind != StageRule::Kind::kNumber) return stage;
  SHARDFS_ASSIGN_OR_RETURN(stage.number, object.RequiredNumber("stage"));
  return stage;
}

Result<Uneven> ReadUneven(const TableObject& object) {
  if (object.Find("uneven") == nullptr) return Uneven::kRefused;
  SHARDFS_ASSIGN_OR_RETURN(const std::size_t uneven, object.Choice("uneven", kUneven, 0));
  return uneven == 0 ? Uneven::kCeil : Uneven::kFirst;
}

Result<Rule> ReadRule(const JsonValue& value) {
  SHARDFS_ASSIGN_OR_RETURN(const TableObject object, TableObject::Create(value, RuleNameOf(value), kRuleKeys));
  Rule rule;
  SHARDFS_RETURN_IF_ERROR(ReadMatch(object, rule));
  SHARDFS_RETURN_IF_ERROR(ReadCuts(object, rule));
  SHARDFS_ASSIGN_OR_RETURN(rule.expert, object.Switch("expert", false));
  SHARDFS_ASSIGN_OR_RETURN(rule.stage, ReadStage(object));
  if (object.Find("shape") != nullptr) {
    SHARDFS_ASSIGN_OR_RETURN(rule.shape, object.Numbers("shape"));
  }
  SHARDFS_RETURN_IF_ERROR(ReadDtypes(object, rule));
  SHARDFS_ASSIGN_OR_RETURN(rule.as, ReadAs(object, rule));
  SHARDFS_RETURN_IF_ERROR(ReadAlso(object, rule));
  if (object.Find("roll") != nullptr) {
    SHARDFS_RETURN_IF_ERROR(object.Choice("roll", kRoll, 0).status());
    rule.rolls = true;
  }
  SHARDFS_ASSIGN_OR_RETURN(rule.drop, object.Switch("drop", false));
  SHARDFS_ASSIGN_OR_RETURN(rule.optional, object.Switch("optional", false));
  SHARDFS_RETURN_IF_ERROR(CheckRule(object, rule));
  return rule;
}

}  // namespace shardfs::rank_cut
