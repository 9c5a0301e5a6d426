// A rank's parts of attention, MLP and experts are read off the tensors that the page shows them for: the first on the
// rank whose name ends as theirs do, with what its cut gives the rank.
#include "layout/rank_cut/rank_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace shardfs::rank_cut {
namespace {

bool EndsWithAny(std::string_view name, std::span<const std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return name.ends_with(end); });
}

// The kinds of weights whose cut is shown.
enum class Kind : std::uint8_t { kNone, kHeads, kExpert, kShared, kDense, kHead };

Kind KindOf(std::string_view name, bool is_expert) {
  constexpr std::array<std::string_view, 4> kQuery = {".q_proj.weight", ".q_b_proj.weight", ".qkv_proj.weight",
                                                      ".query_key_value.weight"};
  constexpr std::array<std::string_view, 3> kDown = {".down_proj.weight", ".w2.weight", ".dense_4h_to_h.weight"};
  constexpr std::array<std::string_view, 2> kHeads = {"lm_head.weight", "output_layer.weight"};
  if (EndsWithAny(name, kQuery)) return Kind::kHeads;
  if (EndsWithAny(name, kHeads)) return Kind::kHead;
  if (!EndsWithAny(name, kDown)) return Kind::kNone;
  if (is_expert) return Kind::kExpert;
  return name.find("shared_expert") != std::string_view::npos ? Kind::kShared : Kind::kDense;
}

// What the rank has of the axis that is cut, in units; of a tensor that is not cut, one of one.
RankPart PartOf(const TensorCut& cut, const RankPlace& place) {
  for (const AxisCut& axis : cut.axes) {
    const std::uint64_t whole = axis.slices.back().units.end;
    const Interval& units = axis.slices[RankGrids::CoordinateOf(place, axis.group)].units;
    return {units.begin, units.end, whole};
  }
  return {0, 1, 1};
}

// The page counts slices of MLPs, not their elements.
RankPart SliceOf(const TensorCut& cut, const RankPlace& place) {
  if (cut.axes.empty()) return {0, 1, 1};
  const AxisCut& axis = cut.axes.front();
  const std::uint64_t at = RankGrids::CoordinateOf(place, axis.group);
  return {at, at + 1, axis.slices.size()};
}

std::string FastestFirst(const MeshSizes& sizes, const std::string& order) {
  return fmt::format("{} (tp {}, pp {}, dp {}, cp {}, ep {}, etp {})", order, sizes.tp, sizes.pp, sizes.dp, sizes.cp,
                     sizes.ep, sizes.etp);
}

bool CutsAxis0(const Rule& rule) {
  return std::any_of(rule.cuts.begin(), rule.cuts.end(), [](const CutRule& cut) { return cut.axis == 0; });
}

}  // namespace

void DescribeRanks(const TableInForce& in_force, const Placement& placement, View* view) {
  // The first tensor of each kind, stage and expert block stands for all of them.
  std::vector<std::pair<Kind, const PlacedTensor*>> shown;
  for (const PlacedTensor& tensor : placement.tensors) {
    const Kind kind = KindOf(tensor.name, tensor.expert_block.has_value());
    if (kind == Kind::kNone) continue;
    const bool is_known = std::any_of(shown.begin(), shown.end(), [&](const auto& one) {
      return one.first == kind && one.second->stage == tensor.stage && one.second->expert_block == tensor.expert_block;
    });
    if (!is_known) shown.emplace_back(kind, &tensor);
  }
  const std::uint64_t layers = in_force.stages.back().end;
  if (in_force.table.layers) view->layers = static_cast<std::uint32_t>(layers);
  view->expert_groups = in_force.experts.empty() ? 0 : static_cast<std::uint32_t>(in_force.experts.size());
  for (const RankPlace& place : in_force.grids.ranks()) {
    RankDescription rank;
    rank.coordinates = {{"tp", place.tp}, {"cp", place.cp},   {"dp", place.dp},  {"pp", place.pp},
                        {"ep", place.ep}, {"etp", place.etp}, {"edp", place.edp}};
    const Interval& stage = in_force.stages[place.pp];
    rank.layers = {stage.begin, stage.end, layers};
    rank.expert_group = place.ep;
    if (!in_force.experts.empty()) {
      const Interval& block = in_force.experts[place.ep];
      rank.experts = {block.begin, block.end, in_force.experts.back().end};
      rank.expert_slice = {0, 1, 1};  // of a stage without experts
    }
    for (const auto& [kind, tensor] : shown) {
      if (!tensor->IsOn(place)) continue;
      if (kind == Kind::kHeads) rank.heads = PartOf(*tensor->cut, place);
      if (kind == Kind::kExpert) rank.expert_slice = SliceOf(*tensor->cut, place);
      if (kind == Kind::kShared) rank.shared_slice = SliceOf(*tensor->cut, place);
      if (kind == Kind::kDense) rank.dense_slice = SliceOf(*tensor->cut, place);
      if (kind == Kind::kHead) rank.head_slice = SliceOf(*tensor->cut, place);
    }
    view->ranks.push_back(std::move(rank));
  }
}

std::vector<std::string> QuestionsOf(const TableInForce& in_force, const Placement& placement) {
  std::vector<std::string> questions;
  const MeshSizes& sizes = in_force.grids.sizes();
  const auto above_one = [](std::initializer_list<std::uint64_t> all) {
    return std::count_if(all.begin(), all.end(), [](std::uint64_t size) { return size > 1; });
  };
  if (above_one({sizes.tp, sizes.cp, sizes.dp, sizes.pp}) > 1 || above_one({sizes.etp, sizes.ep, sizes.edp}) > 1) {
    const std::string& order = in_force.grids.order();
    const std::string& expert = in_force.grids.expert_order();
    questions.push_back(
        fmt::format("Does the loader count its ranks in the order {}, the fastest first{}? If not: -O order=..., -O "
                    "expert_order=...",
                    FastestFirst(sizes, order), expert == order ? "" : fmt::format(", and {} for experts", expert)));
  }
  for (std::size_t r = 0; r < in_force.table.rules.size(); ++r) {
    const Rule& rule = in_force.table.rules[r];
    if (placement.rule_tensors[r] == 0 || rule.drop) continue;
    const std::string& name = rule.text();
    const bool is_fused =
        std::any_of(rule.cuts.begin(), rule.cuts.end(), [](const CutRule& cut) { return !cut.blocks.empty(); });
    if (is_fused || name.find("qkv") != std::string::npos || name.find("query_key_value") != std::string::npos) {
      questions.push_back(fmt::format("Is {} stored as {}? If not: change its cut in the file of --rules", name,
                                      is_fused ? "its blocks one behind the other, not interleaved by heads"
                                               : "its heads interleaved, not as blocks of query, key and value"));
    }
    if (sizes.ep > 1 && !rule.expert && name.ends_with(".gate.weight")) {
      questions.push_back(rule.rolls
                              ? fmt::format("Does the loader want the rows of {} rotated, its own experts first? "
                                            "If not: -O router=in_order",
                                            name)
                              : fmt::format("Does the loader want the rows of {} in order, not rotated so that "
                                            "its own experts come first? If not: -O router=rolled",
                                            name));
    }
    for (const auto& [pattern, option] :
         {std::pair("lm_head.weight", "lm_head"), std::pair("model.embed_tokens.weight", "embed_tokens")}) {
      if (sizes.tp == 1 || name != pattern) continue;
      questions.push_back(CutsAxis0(rule) ? fmt::format("Does the loader want {} cut by rows over tp {}? If not: -O "
                                                        "{}=whole",
                                                        name, sizes.tp, option)
                                          : fmt::format("Does the loader want {} whole on every rank of its stage? If "
                                                        "not: -O {}=split",
                                                        name, option));
    }
  }
  return questions;
}

}  // namespace shardfs::rank_cut
