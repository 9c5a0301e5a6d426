// Names are matched with the rules by all processors, which is most of the work; then each tensor in turn gets its
// stage, its block of experts, its names and its cut. A cut is worked out once for each rule and shape: the layers of a
// model share them.
#include "layout/rank_cut/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "layout/rank_cut/refusal.h"

namespace shardfs::rank_cut {
namespace {

// The rules that match a name, two at most, and where the first of them does.
struct Matched {
  std::uint32_t rules = 0;
  std::uint32_t rule = 0;
  std::uint32_t second = 0;
  std::uint32_t pattern = 0;
};

Matched MatchName(const std::vector<Rule>& rules, std::string_view name) {
  Matched matched;
  for (std::uint32_t r = 0; r < rules.size() && matched.rules < 2; ++r) {
    const auto& patterns = rules[r].match;
    const auto found = std::find_if(patterns.begin(), patterns.end(),
                                    [&](const NamePattern& pattern) { return pattern.Matches(name); });
    if (found == patterns.end()) continue;
    if (++matched.rules == 2) {
      matched.second = r;
      break;
    }
    matched.rule = r;
    matched.pattern = static_cast<std::uint32_t>(found - patterns.begin());
  }
  return matched;
}

class Placer {
 public:
  Placer(const TableInForce& in_force, const Checkpoint& checkpoint)
      : force_(in_force), checkpoint_(checkpoint), specs_(checkpoint.tensors().specs()) {}

  Result<Placement> Place() {
    std::vector<Matched> matched(specs_.size());
    ParallelFor(specs_.size(), [&](std::size_t i) { matched[i] = MatchName(force_.table.rules, specs_[i].name); });
    placement_.rule_tensors.resize(force_.table.rules.size());
    for (std::uint32_t i = 0; i < specs_.size(); ++i) SHARDFS_RETURN_IF_ERROR(PlaceOne(i, matched[i]));
    SHARDFS_RETURN_IF_ERROR(CheckAllUsed());
    SHARDFS_RETURN_IF_ERROR(CheckNames());
    return std::move(placement_);
  }

 private:
  Status PlaceOne(std::uint32_t index, const Matched& matched) {
    const TensorSpec& spec = specs_[index];
    const auto& rules = force_.table.rules;
    if (matched.rules == 0) return Refuse("no-rule", spec.name);
    const Rule& rule = rules[matched.rule];
    if (matched.rules > 1) {
      return Refuse("two-rules",
                    fmt::format("{}: both {} and {}", spec.name, rule.text(), rules[matched.second].text()));
    }
    ++placement_.rule_tensors[matched.rule];
    if (rule.drop) {
      placement_.dropped.push_back({std::string(spec.name), "the table drops it", BytesOf(spec)});
      return Status::Ok();
    }
    const NamePattern& pattern = rule.match[matched.pattern];
    const auto found = pattern.Match(spec.name);
    if (!found) return Refuse("no-rule", spec.name);  // a number beyond 63 bits
    PlacedTensor placed;
    placed.index = index;
    placed.rule = matched.rule;
    SHARDFS_ASSIGN_OR_RETURN(placed.stage, StageOf(rule.stage, *found, spec.name));
    SHARDFS_ASSIGN_OR_RETURN(placed.expert_block, BlockOf(rule, *found, spec.name));
    SHARDFS_RETURN_IF_ERROR(CheckSpec(rule, spec));
    SHARDFS_ASSIGN_OR_RETURN(placed.cut, CutOf(matched.rule, spec));
    return AddOutputs(rule, matched.pattern, *found, std::move(placed));
  }

  Status AddOutputs(const Rule& rule, std::size_t pattern, const NamePattern::Found& found, PlacedTensor placed) {
    const std::string_view name = specs_[placed.index].name;
    for (const AlsoOutput& also : rule.also) {
      if (!also.if_absent.empty() && checkpoint_.Find(also.if_absent) != nullptr) continue;
      PlacedTensor copy = placed;
      copy.is_copy = true;
      if (also.stage.kind != StageRule::Kind::kOfLayer) {
        SHARDFS_ASSIGN_OR_RETURN(copy.stage, StageOf(also.stage, found, name));
      }
      SHARDFS_ASSIGN_OR_RETURN(const Numbers numbers, NumbersOf(copy, found, name));
      copy.name = also.as[pattern].Of(found, numbers.layer, numbers.expert);
      placement_.tensors.push_back(std::move(copy));
    }
    SHARDFS_ASSIGN_OR_RETURN(const Numbers numbers, NumbersOf(placed, found, name));
    placed.name = rule.as.empty() ? Renumbered(name, rule.match[pattern], found, numbers.layer, numbers.expert)
                                  : rule.as[pattern].Of(found, numbers.layer, numbers.expert);
    placement_.tensors.push_back(std::move(placed));
    return Status::Ok();
  }

  Result<std::uint32_t> Numbered(const StageRule& stage) const {
    const std::uint64_t stages = force_.grids.sizes().pp;
    if (stage.kind == StageRule::Kind::kFirst) return std::uint32_t{0};
    if (stage.kind == StageRule::Kind::kLast) return static_cast<std::uint32_t>(stages - 1);
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t number, force_.dims.Evaluate(stage.number, "stage"));
    if (number < stages) return static_cast<std::uint32_t>(number);
    return Refuse("bad-rule", fmt::format("stage {} of {} stages, which count from 0", number, stages));
  }

  Result<std::optional<std::uint32_t>> StageOf(const StageRule& stage, const NamePattern::Found& found,
                                               std::string_view name) const {
    if (stage.kind == StageRule::Kind::kAll) return std::optional<std::uint32_t>();
    if (stage.kind != StageRule::Kind::kOfLayer) {
      SHARDFS_ASSIGN_OR_RETURN(const std::uint32_t number, Numbered(stage));
      return std::optional(number);
    }
    if (!found.layer) {
      return Refuse("no-stage", fmt::format("{}: not in a layer, the rule must say a stage", name));
    }
    for (std::uint32_t s = 0; s < force_.stages.size(); ++s) {
      if (*found.layer >= force_.stages[s].begin && *found.layer < force_.stages[s].end) return std::optional(s);
    }
    for (const ExtraLayer& extra : force_.table.layers->extra) {
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t index, force_.dims.Evaluate(extra.index, "index of a layer"));
      if (index != *found.layer) continue;
      SHARDFS_ASSIGN_OR_RETURN(const std::uint32_t number, Numbered(extra.stage));
      return std::optional(number);
    }
    return Refuse("layer-range", fmt::format("{}: layer {} of {}, and extra has no such layer", name, *found.layer,
                                             force_.stages.back().end));
  }

  Result<std::optional<std::uint32_t>> BlockOf(const Rule& rule, const NamePattern::Found& found,
                                               std::string_view name) const {
    if (!rule.expert) return std::optional<std::uint32_t>();
    for (std::uint32_t e = 0; e < force_.experts.size(); ++e) {
      if (*found.expert >= force_.experts[e].begin && *found.expert < force_.experts[e].end) return std::optional(e);
    }
    return Refuse("expert-range", fmt::format("{}: expert {} of {}", name, *found.expert, force_.experts.back().end));
  }

  // The numbers of layer and expert in an output name.
  struct Numbers {
    std::optional<std::uint64_t> layer, expert;
  };
  Result<Numbers> NumbersOf(const PlacedTensor& placed, const NamePattern::Found& found, std::string_view name) const {
    Numbers numbers{found.layer, found.expert};
    const RuleTable& table = force_.table;
    if (found.layer && table.layers && table.layers->local_names) {
      const std::uint64_t first = placed.stage ? force_.stages[*placed.stage].begin : 0;
      if (*found.layer < first || !placed.stage) {
        return Refuse("bad-rule", fmt::format("{}: layer {} has no local number on {}", name, *found.layer,
                                              placed.stage ? fmt::format("a stage that begins with {}", first)
                                                           : std::string("all stages")));
      }
      numbers.layer = *found.layer - first;
    }
    if (placed.expert_block && table.experts->local_names) {
      numbers.expert = *found.expert - force_.experts[*placed.expert_block].begin;
    }
    return numbers;
  }

  Status CheckSpec(const Rule& rule, const TensorSpec& spec) const {
    if (!rule.dtypes.empty() && std::find(rule.dtypes.begin(), rule.dtypes.end(), spec.dtype) == rule.dtypes.end()) {
      std::vector<std::string_view> names;
      for (const Dtype dtype : rule.dtypes) names.push_back(DtypeName(dtype));
      return Refuse(
          "dtype", fmt::format("{}: {}, the rule says {}", spec.name, DtypeName(spec.dtype), fmt::join(names, " or ")));
    }
    if (!rule.shape) return Status::Ok();
    Shape wanted;
    for (const Expression& size : *rule.shape) {
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t number,
                               force_.dims.Evaluate(size, fmt::format("shape of {}", rule.text())));
      wanted.push_back(number);
    }
    if (wanted == spec.shape) return Status::Ok();
    return Refuse("shape",
                  fmt::format("{}: {}, the rule says {}", spec.name, ShapeToString(spec.shape), ShapeToString(wanted)));
  }

  Result<const TensorCut*> CutOf(std::uint32_t rule, const TensorSpec& spec) {
    const auto [known, is_new] = cuts_.try_emplace({rule, spec.shape}, nullptr);
    if (!is_new) return known->second;
    const CutContext context{force_.grids, force_.dims, force_.experts};
    SHARDFS_ASSIGN_OR_RETURN(TensorCut cut, WorkOut(force_.table.rules[rule], context, spec.name, spec.shape));
    known->second = &placement_.cuts.emplace_back(std::move(cut));
    return known->second;
  }

  Status CheckAllUsed() const {
    for (std::size_t r = 0; r < force_.table.rules.size(); ++r) {
      const Rule& rule = force_.table.rules[r];
      if (placement_.rule_tensors[r] > 0 || rule.optional) continue;
      const bool is_head = rule.text() == "lm_head.weight";
      return Refuse("unused-rule",
                    fmt::format("{}: no tensor of the source matches; {}, or mark the rule \"optional\": "
                                "true",
                                rule.text(),
                                is_head ? "where the head is the embedding, take a table that copies it "
                                          "(\"also\", as preset qwen2-tied)"
                                        : "correct it"));
    }
    return Status::Ok();
  }

  // Two tensors of one name clash where a rank holds both.
  Status CheckNames() const {
    const auto& tensors = placement_.tensors;
    std::vector<std::uint32_t> order(tensors.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    ParallelSort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::tie(tensors[a].name, tensors[a].stage, tensors[a].expert_block, a) <
             std::tie(tensors[b].name, tensors[b].stage, tensors[b].expert_block, b);
    });
    for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
      while (end < order.size() && tensors[order[end]].name == tensors[order[begin]].name) ++end;
      for (std::size_t i = begin; i < end; ++i) {
        // All of a name without stage or block come first, so a pair that meets in both is found among few.
        const PlacedTensor& one = tensors[order[i]];
        const std::size_t last = one.stage && one.expert_block ? std::min(i + 2, end) : end;
        for (std::size_t j = i + 1; j < last; ++j) SHARDFS_RETURN_IF_ERROR(CheckApart(one, tensors[order[j]]));
      }
    }
    return Status::Ok();
  }

  Status CheckApart(const PlacedTensor& a, const PlacedTensor& b) const {
    const bool apart = (a.stage && b.stage && a.stage != b.stage) ||
                       (a.expert_block && b.expert_block && a.expert_block != b.expert_block);
    if (apart) return Status::Ok();
    return Refuse("name-clash", fmt::format("{} would be made of both {} and {}", QuoteName(a.name),
                                            specs_[a.index].name, specs_[b.index].name));
  }

  const TableInForce& force_;
  const Checkpoint& checkpoint_;
  const std::span<const TensorSpec> specs_;
  std::map<std::pair<std::uint32_t, Shape>, const TensorCut*> cuts_;
  Placement placement_;
};

// The block of each coordinate of ep.
Result<std::vector<Interval>> ShareExperts(const ExpertsSpec& experts, const Dims& dims, std::uint64_t ep) {
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t count, dims.Evaluate(experts.count, "count of experts"));
  auto blocks = ShareOut(count, ep, experts.uneven);
  if (!blocks) return Refuse("not-divisible", fmt::format("experts: {} over ep {}", count, ep));
  for (std::size_t e = 0; e < blocks->size(); ++e) {
    if ((*blocks)[e].size() > 0) continue;
    return Refuse("empty-cut", fmt::format("experts: ep {} of {} would hold none of {}", e, ep, count));
  }
  return *std::move(blocks);
}

Status CheckExtraLayers(const LayersSpec& layers, const Dims& dims, std::uint64_t count) {
  for (const ExtraLayer& extra : layers.extra) {
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t index, dims.Evaluate(extra.index, "index of an extra layer"));
    if (index >= count) continue;
    return Refuse("bad-rule", fmt::format("extra layer {} is one of the {} that are counted", index, count));
  }
  return Status::Ok();
}

}  // namespace

Result<TableInForce> PutInForce(RuleTable table, const JsonValue* config) {
  SHARDFS_ASSIGN_OR_RETURN(RankGrids grids, RankGrids::Create(table.mesh));
  const MeshSizes& sizes = grids.sizes();
  SHARDFS_ASSIGN_OR_RETURN(
      Dims dims,
      Dims::Create(table.dims, {{"tp", sizes.tp}, {"pp", sizes.pp}, {"ep", sizes.ep}, {"etp", sizes.etp}}, config));
  std::vector<Interval> stages(sizes.pp);
  if (table.layers) {
    SHARDFS_ASSIGN_OR_RETURN(stages, SplitLayers(*table.layers, dims, sizes.pp));
    SHARDFS_RETURN_IF_ERROR(CheckExtraLayers(*table.layers, dims, stages.back().end));
  }
  std::vector<Interval> experts;
  if (table.experts) {
    SHARDFS_ASSIGN_OR_RETURN(experts, ShareExperts(*table.experts, dims, sizes.ep));
  }
  return TableInForce{std::move(table), std::move(grids), std::move(dims), std::move(stages), std::move(experts)};
}

Result<Placement> PlaceTensors(const TableInForce& in_force, const Checkpoint& checkpoint) {
  return Placer(in_force, checkpoint).Place();
}

}  // namespace shardfs::rank_cut
