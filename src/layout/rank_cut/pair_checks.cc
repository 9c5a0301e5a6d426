// What a rank holds depends on its tp, pp, ep and etp alone, so one rank of each such four is looked at. A partner is
// looked for by name, and compared once for each pair of cuts: the layers of a model share them.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/quote_name.h"
#include "layout/rank_cut/cut_checks.h"
#include "layout/rank_cut/refusal.h"
#include "shardfs/base/checked_math.h"

namespace shardfs::rank_cut {
namespace {

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// "(0, 2)", as a pair of units is written; "None" of an axis that is not cut.
std::string Show(const std::optional<Interval>& units) {
  return units ? fmt::format("({}, {})", units->begin, units->end) : "None";
}

std::string ShowAll(const std::vector<Interval>& intervals) {
  std::string text;
  for (const Interval& one : intervals) text += (text.empty() ? "" : ", ") + Show(one);
  return "[" + text + "]";
}

std::optional<Interval> UnitsOf(const TensorCut& cut, std::int64_t axis, const RankPlace& place) {
  const auto index = TensorCut::AxisOf(axis, cut.shape.size());
  const AxisSlice* const slice = index ? cut.SliceOf(*index, place) : nullptr;
  return slice == nullptr ? std::nullopt : std::optional(slice->units);
}

class PairChecker {
 public:
  PairChecker(const TableInForce& in_force, const Placement& placement) : force_(in_force), placement_(placement) {
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>> seen;
    for (const RankPlace& place : in_force.grids.ranks()) {
      if (seen.emplace(place.tp, place.pp, place.ep, place.etp).second) places_.push_back(place);
    }
    by_name_.reserve(placement.tensors.size());
    for (const PlacedTensor& tensor : placement.tensors) by_name_.emplace(tensor.name, &tensor);
  }

  Status Check() {
    for (const PairRule& pair : force_.table.pairs) SHARDFS_RETURN_IF_ERROR(CheckPair(pair));
    for (const ScaleRule& scale : force_.table.scales) SHARDFS_RETURN_IF_ERROR(CheckScale(scale));
    return Status::Ok();
  }

 private:
  const PlacedTensor* PartnerOn(const std::string& name, const RankPlace& place) const {
    const auto [begin, end] = by_name_.equal_range(name);
    const auto found = std::find_if(begin, end, [&](const auto& one) { return one.second->IsOn(place); });
    return found == end ? nullptr : found->second;
  }

  // Calls check(tensor, partner, place) for each tensor that `match` finds and each rank that holds it, but not again
  // for two that are cut as two others were. `missing(tensor, name, place)` refuses a partner that is not there.
  template <typename Missing, typename Check>
  Status ForPartners(const NamePattern& match, std::string_view part, std::string_view partner_part,
                     const Missing& missing, const Check& check) const {
    std::set<std::tuple<const TensorCut*, const TensorCut*, std::uint32_t>> done;
    for (const PlacedTensor& tensor : placement_.tensors) {
      if (!match.Matches(tensor.name)) continue;
      const std::string name = Replaced(tensor.name, part, partner_part);
      for (const RankPlace& place : places_) {
        if (!tensor.IsOn(place)) continue;
        const PlacedTensor* const partner = PartnerOn(name, place);
        if (partner == nullptr || partner == &tensor) return missing(tensor, name, place);
        if (!done.emplace(tensor.cut, partner->cut, place.rank).second) continue;
        SHARDFS_RETURN_IF_ERROR(check(tensor, *partner, place));
      }
    }
    return Status::Ok();
  }

  Status CheckPair(const PairRule& pair) const {
    std::optional<std::uint64_t> ratio;
    if (pair.ratio) {
      SHARDFS_ASSIGN_OR_RETURN(ratio, force_.dims.Evaluate(*pair.ratio, "ratio of a pair"));
      if (*ratio == 0) return Refuse("bad-rule", fmt::format("ratio of the pair {} is 0", pair.out.text()));
    }
    const auto missing = [](const PlacedTensor& out, const std::string& name, const RankPlace& place) {
      return Refuse("pair", fmt::format("rank {}: {} has no partner {}", place.rank, out.name, QuoteName(name)));
    };
    const auto check = [&](const PlacedTensor& out, const PlacedTensor& in, const RankPlace& place) {
      const auto held = UnitsOf(*out.cut, pair.out_axis, place);
      const auto taken = UnitsOf(*in.cut, pair.in_axis, place);
      if (ratio ? Covers(held, taken, *ratio) : held == taken) return Status::Ok();
      return Refuse("pair", fmt::format("rank {}: {} holds units {}, {} takes {}", place.rank, out.name, Show(held),
                                        in.name, Show(taken)));
    };
    return ForPartners(pair.out, pair.out_part, pair.in_part, missing, check);
  }

  // Whether units a..b have their a/q..(b-1)/q in the partner's.
  static bool Covers(const std::optional<Interval>& held, const std::optional<Interval>& taken, std::uint64_t ratio) {
    if (!held || !taken) return held == taken;
    if (held->size() == 0) return true;
    return taken->begin <= held->begin / ratio && (held->end - 1) / ratio < taken->end;
  }

  Status CheckScale(const ScaleRule& rule) const {
    std::vector<std::uint64_t> block;
    for (const Expression& expression : rule.block) {
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t size, force_.dims.Evaluate(expression, "block of a scale"));
      if (size == 0) return Refuse("bad-rule", fmt::format("block of the scale {} is 0", rule.match.text()));
      block.push_back(size);
    }
    const auto missing = [](const PlacedTensor& scale, const std::string& name, const RankPlace& place) {
      return Refuse("scale", fmt::format("rank {}: {} has no weight {}", place.rank, scale.name, QuoteName(name)));
    };
    const auto check = [&](const PlacedTensor& scale, const PlacedTensor& weight, const RankPlace& place) {
      return CheckBlocks(block, scale, weight, place);
    };
    return ForPartners(rule.match, rule.scale_part, rule.weight_part, missing, check);
  }

  static std::vector<Interval> PartsOf(const TensorCut& cut, std::size_t axis, const RankPlace& place) {
    const AxisSlice* const slice = cut.SliceOf(axis, place);
    return slice == nullptr ? std::vector<Interval>{{0, cut.shape[axis]}} : slice->parts;
  }

  static Status CheckBlocks(const std::vector<std::uint64_t>& block, const PlacedTensor& scale,
                            const PlacedTensor& weight, const RankPlace& place) {
    const Shape& shape = weight.cut->shape;
    if (shape.size() != block.size() || scale.cut->shape.size() != block.size()) {
      return Refuse("scale",
                    fmt::format("rank {}: {} {} and {} {}, but the rule's blocks have {} axes", place.rank, scale.name,
                                ShapeToString(scale.cut->shape), weight.name, ShapeToString(shape), block.size()));
    }
    for (std::size_t axis = 0; axis < block.size(); ++axis) {
      std::vector<Interval> needed;
      for (const Interval& part : PartsOf(*weight.cut, axis, place)) {
        const bool on_border =
            part.begin % block[axis] == 0 && (part.end % block[axis] == 0 || part.end == shape[axis]);
        if (!on_border) {
          return Refuse("scale", fmt::format("rank {}: {} axis {} is cut at {}, not at a border of blocks of {}",
                                             place.rank, weight.name, axis, Show(part), block[axis]));
        }
        needed.push_back({part.begin / block[axis], CeilDiv(part.end, block[axis])});
      }
      const std::vector<Interval> held = PartsOf(*scale.cut, axis, place);
      if (held == needed) continue;
      return Refuse("scale-block", fmt::format("rank {}: {} axis {} holds blocks {}, the weight needs {}", place.rank,
                                               scale.name, axis, ShowAll(held), ShowAll(needed)));
    }
    return Status::Ok();
  }

  const TableInForce& force_;
  const Placement& placement_;
  std::vector<RankPlace> places_;
  std::unordered_multimap<std::string_view, const PlacedTensor*> by_name_;
};

}  // namespace

Status CheckPairs(const TableInForce& in_force, const Placement& placement) {
  if (in_force.table.pairs.empty() && in_force.table.scales.empty()) return Status::Ok();
  return PairChecker(in_force, placement).Check();
}

}  // namespace shardfs::rank_cut
