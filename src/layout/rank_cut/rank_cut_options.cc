#include "layout/rank_cut/rank_cut_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "base/quote_name.h"
#include "base/text_file.h"
#include "layout/rank_cut/presets.h"
#include "layout/rank_cut/refusal.h"
#include "shardfs/base/file_digest.h"

namespace shardfs::rank_cut {
namespace {

constexpr std::size_t kMaxTableBytes = std::size_t{16} << 20;
constexpr std::array<std::string_view, 2> kHeadChoices = {"split", "whole"};
constexpr std::array<std::string_view, 2> kRouterChoices = {"rolled", "in_order"};
constexpr std::array<std::string_view, 2> kCompanionChoices = {"none", "root"};
constexpr std::string_view kOfTable = "the table's";

constexpr std::array<OptionSpec, 17> kOptions = {{
    {.name = "rules",
     .kind = OptionKind::kFile,
     .value = "FILE",
     .summary = "Table of rules, in JSON: which slice of each tensor a rank gets",
     .fallback = "",
     .is_input = true},
    {"preset", OptionKind::kChoice, "NAME", "Built-in table of rules, in place of a file", "", kPresetNames},
    {"tp", OptionKind::kCount, "N", "Tensor-parallel size", kOfTable},
    {"dp", OptionKind::kCount, "N", "Data-parallel size", "what is left of the world"},
    {"cp", OptionKind::kCount, "N", "Context-parallel size", kOfTable},
    {"pp", OptionKind::kCount, "N", "Pipeline-parallel size", kOfTable},
    {"ep", OptionKind::kCount, "N", "Expert-parallel size", kOfTable},
    {"etp", OptionKind::kCount, "N", "Tensor-parallel size within an expert", "tp where ep is 1, else 1"},
    {"world_size", OptionKind::kCount, "N", "Number of ranks", "tp * cp * dp * pp"},
    {"sp", OptionKind::kCount, "N", "Sequence-parallel size, which cuts no weight", "1"},
    {"order", OptionKind::kText, "ORDER", "Order of the ranks, the fastest first", "the table's, or tp-cp-ep-dp-pp"},
    {"expert_order", OptionKind::kText, "ORDER", "The same for the experts' grid, whose tp is etp and dp is edp",
     "order"},
    {"expert_parallel", OptionKind::kSwitch, "", "Whole experts over the tensor-parallel group: ep = tp, etp = 1", ""},
    {"lm_head", OptionKind::kChoice, "HOW", "Cut lm_head.weight by rows over tp, or leave it whole", kOfTable,
     kHeadChoices},
    {"embed_tokens", OptionKind::kChoice, "HOW", "The same for model.embed_tokens.weight", kOfTable, kHeadChoices},
    {"router", OptionKind::kChoice, "HOW", "Rotate a router's rows so that the rank's own experts come first", kOfTable,
     kRouterChoices},
    {"companions", OptionKind::kChoice, "WHERE", "Where the source's other files are shown", "none", kCompanionChoices},
}};

constexpr const OptionSpec& SpecOf(std::string_view name) {
  for (const OptionSpec& spec : kOptions) {
    if (spec.name == name) return spec;
  }
  return kOptions.back();
}

constexpr std::string_view kLmHead = "lm_head.weight";
constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
constexpr std::string_view kRouter = "model.layers.{L}.mlp.gate.weight";

Status ReadTable(const OptionValues& values, RankCutRequest& request) {
  const auto file = values.Text(SpecOf("rules"));
  const auto preset = values.Text(SpecOf("preset"));
  if (file && preset) {
    return Refuse("bad-rule",
                  fmt::format("rules {} and preset {} are both given; give one of them", QuoteName(*file), *preset));
  }
  if (!file && !preset) {
    return Refuse("bad-rule", fmt::format("the rank-cut layout needs a table: add --rules FILE, or --preset NAME with "
                                          "one of {}; `shardfs layouts rank-cut` tells of them",
                                          fmt::join(kPresetNames, ", ")));
  }
  std::string text;
  if (file) {
    auto read = ReadTextFile(*file, kMaxTableBytes);
    if (!read.ok()) return Status::InvalidArgument(fmt::format("bad-rule: {}", read.status().message()));
    text = std::move(read).value();
    request.in_force.emplace_back(
        "rules", fmt::format("digest {}", FileDigest::OfBytes(std::as_bytes(std::span(text))).ToHex()));
  } else {
    request.preset = *preset;
    text = FindPreset(*preset)->text;
    request.in_force.emplace_back("preset", *preset);
  }
  SHARDFS_ASSIGN_OR_RETURN(request.table,
                           ReadRuleTable(text, file ? QuoteName(*file) : fmt::format("preset {}", *preset)));
  return Status::Ok();
}

// Sizes that are given replace the table's, and what only held with the table's own others goes.
Status SetSizes(const OptionValues& values, MeshSpec& mesh) {
  const auto given = [&](std::string_view name) { return values.Count(SpecOf(name)); };
  const bool has_expert_size = given("ep") || given("etp");
  if ((given("tp") || given("ep")) && !given("etp")) mesh.etp.reset();
  if (given("tp") || given("pp") || given("cp") || given("dp") || given("world_size")) {
    mesh.dp.reset();
    mesh.world.reset();
  }
  for (const auto& [name, size] :
       {std::pair("tp", &mesh.tp), std::pair("dp", &mesh.dp), std::pair("cp", &mesh.cp), std::pair("pp", &mesh.pp),
        std::pair("ep", &mesh.ep), std::pair("etp", &mesh.etp), std::pair("world_size", &mesh.world)}) {
    if (const auto count = given(name)) *size = *count;
  }
  if (values.Switch(SpecOf("expert_parallel")).value_or(false)) {
    if (has_expert_size) return Refuse("bad-mesh", "expert_parallel and ep or etp are both given; give one of them");
    mesh.ep = mesh.tp.value_or(1);
    mesh.etp = 1;
  }
  mesh.order = values.Text(SpecOf("order")).value_or(mesh.order);
  if (const auto order = values.Text(SpecOf("expert_order"))) mesh.expert_order = *order;
  return Status::Ok();
}

// The rule that has this pattern; alone where `only`.
Result<Rule*> RuleFor(RuleTable& table, std::string_view option, std::string_view pattern, bool only) {
  for (Rule& rule : table.rules) {
    const bool has = std::any_of(rule.match.begin(), rule.match.end(),
                                 [&](const NamePattern& one) { return one.text() == pattern; });
    if (has && !(only && rule.match.size() > 1) && !rule.drop) return &rule;
  }
  return Refuse("bad-rule", fmt::format("{} is given, but the table has no rule {} {}", option,
                                        only ? "that matches just" : "for", pattern));
}

Status SetCut(const OptionValues& values, std::string_view option, std::string_view pattern, RuleTable& table) {
  const auto how = values.Text(SpecOf(option));
  if (!how) return Status::Ok();
  SHARDFS_ASSIGN_OR_RETURN(Rule* const rule, RuleFor(table, option, pattern, /*only=*/true));
  rule->cuts.clear();
  if (*how == "split") rule->cuts.emplace_back();  // axis 0 over tp
  return Status::Ok();
}

Status SetRouter(const OptionValues& values, RuleTable& table) {
  const auto how = values.Text(SpecOf("router"));
  if (!how) return Status::Ok();
  SHARDFS_ASSIGN_OR_RETURN(Rule* const rule, RuleFor(table, "router", kRouter, /*only=*/false));
  rule->rolls = *how == "rolled";
  if (!rule->rolls) return Status::Ok();
  if (!table.experts) return Refuse("bad-rule", "router is rolled, but the table has no experts");
  const bool cuts_rows =
      std::any_of(rule->cuts.begin(), rule->cuts.end(), [](const CutRule& cut) { return cut.axis == 0; });
  if (cuts_rows) return Refuse("bad-rule", fmt::format("router is rolled, but rule {} cuts axis 0", kRouter));
  return Status::Ok();
}

}  // namespace

std::span<const OptionSpec> RankCutSpecs() { return kOptions; }

Result<RankCutRequest> ParseRequest(const OptionValues& values) {
  RankCutRequest request;
  SHARDFS_RETURN_IF_ERROR(ReadTable(values, request));
  SHARDFS_RETURN_IF_ERROR(SetSizes(values, request.table.mesh));
  SHARDFS_RETURN_IF_ERROR(SetCut(values, "lm_head", kLmHead, request.table));
  SHARDFS_RETURN_IF_ERROR(SetCut(values, "embed_tokens", kEmbedding, request.table));
  SHARDFS_RETURN_IF_ERROR(SetRouter(values, request.table));
  request.shows_companions = values.Text(SpecOf("companions")) == "root";
  for (const std::string_view name : {"lm_head", "embed_tokens", "router"}) {
    if (const auto how = values.Text(SpecOf(name))) request.in_force.emplace_back(name, *how);
  }
  request.in_force.emplace_back("companions", request.shows_companions ? "root" : "none");
  return request;
}

}  // namespace shardfs::rank_cut
