// Tensors of one rule and shape have one TensorCut, and whole ones one place, so that each pair is a line. Which layer
// and which expert a tensor is of decides only on which ranks it is.
#include "layout/rank_cut/cut_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

namespace shardfs::rank_cut {
namespace {

// Tensors that a line speaks of.
struct Line {
  std::uint32_t rule = 0;
  bool is_copy = false;
  const TensorCut* cut = nullptr;
  std::uint64_t tensors = 0;
};

std::string StageText(const StageRule& stage, bool is_layered) {
  switch (stage.kind) {
    case StageRule::Kind::kOfLayer:
      return is_layered ? "the stage of its layer" : "every stage";
    case StageRule::Kind::kFirst:
      return "the first stage";
    case StageRule::Kind::kLast:
      return "the last stage";
    case StageRule::Kind::kAll:
      return "every stage";
    case StageRule::Kind::kNumber:
      return "a stage by number";
  }
  return "";
}

// "axis 0 over tp 8", "axis 0 over tp 8 in 4 slices"
std::string AxisText(const AxisCut& cut) {
  std::uint64_t fewest = cut.slices.size();
  for (const AxisShare& share : cut.shares) fewest = std::min(fewest, share.slices);
  const bool is_padded =
      std::any_of(cut.slices.begin(), cut.slices.end(), [](const AxisSlice& slice) { return slice.zeros > 0; });
  if (cut.group == CutGroup::kEp && fewest == 1) return fmt::format("axis {} rotated by ep {}", cut.axis, cut.slices.size());
  std::string text = fmt::format("axis {} over {} {}", cut.axis, CutGroupName(cut.group), cut.slices.size());
  if (cut.shares.size() > 1) text += fmt::format(" in {} blocks", cut.shares.size());
  if (fewest < cut.slices.size()) {
    text += fmt::format("{} in {} slices, each on {} ranks", cut.shares.size() > 1 ? ", the narrowest" : "", fewest,
                        cut.slices.size() / fewest);
  }
  return is_padded ? text + ", padded with zeros" : text;
}

std::string CutText(const TensorCut& cut, const RankGrids& grids) {
  std::string text;
  for (const AxisCut& axis : cut.axes) {
    if (axis.slices.size() > 1) text += (text.empty() ? "" : ", ") + AxisText(axis);
  }
  if (text.empty()) return "whole";
  std::vector<std::string> shapes;
  for (const RankPlace& place : grids.ranks()) {
    std::string shape = ShapeToString(cut.ShapeAt(place));
    if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end()) shapes.push_back(std::move(shape));
  }
  return fmt::format("{}: {} a rank", text, fmt::join(shapes, " or "));
}

}  // namespace

std::vector<std::string> CutTable(const TableInForce& in_force, const Placement& placement) {
  std::vector<Line> lines;
  for (const PlacedTensor& tensor : placement.tensors) {
    const auto same = std::find_if(lines.rbegin(), lines.rend(), [&](const Line& line) {
      return std::tie(line.rule, line.is_copy, line.cut) == std::tie(tensor.rule, tensor.is_copy, tensor.cut);
    });
    if (same != lines.rend()) {
      ++same->tensors;
    } else {
      lines.push_back({tensor.rule, tensor.is_copy, tensor.cut, 1});
    }
  }
  std::vector<std::string> table;
  for (const Line& line : lines) {
    const Rule& rule = in_force.table.rules[line.rule];
    const bool is_layered = rule.match.front().layer_wildcard().has_value();
    std::string place = line.is_copy ? "copied to another stage" : "on " + StageText(rule.stage, is_layered);
    if (in_force.grids.sizes().pp == 1) place = line.is_copy ? "a copy" : "";
    if (rule.expert && in_force.experts.size() > 1) {
      place += fmt::format("{}experts over ep {}", place.empty() ? "" : ", ", in_force.experts.size());
    }
    table.push_back(fmt::format("{}: {} tensor{} {}; {}{}{}", rule.text(), line.tensors, line.tensors == 1 ? "" : "s",
                                ShapeToString(line.cut->shape), place, place.empty() ? "" : "; ",
                                CutText(*line.cut, in_force.grids)));
  }
  return table;
}

}  // namespace shardfs::rank_cut
