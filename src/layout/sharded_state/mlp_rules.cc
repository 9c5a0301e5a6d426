// Dense MLPs, and experts as two stacks with what stands beside them.
#include <fmt/format.h>

#include "layout/sharded_state/rule_list.h"

namespace shardfs {
namespace {

using Experts = ModelShape::Experts;

// What the kinds of models with experts call things: the table of names, the source, config.json.
struct ExpertPlace {
  std::string_view block;
  std::string_view folder;
  std::string_view shared;  // folder of the shared experts
  std::string_view gate = "gate_proj";
  std::string_view up = "up_proj";
  std::string_view down = "down_proj";
  std::string_view number;  // how many experts there are
  std::string_view size;    // of one
};

ExpertPlace PlaceOf(Experts kind) {
  constexpr std::string_view kSize = "moe_intermediate_size";
  switch (kind) {
    case Experts::kMixtral:
      return {"mixtral_moe", "block_sparse_moe.", "", "w1", "w3", "w2", "num_local_experts", "intermediate_size"};
    case Experts::kQwen2:
      return {.block = "qwen2_moe",
              .folder = "mlp.",
              .shared = "mlp.shared_expert.",
              .number = "num_experts",
              .size = kSize};
    case Experts::kDeepseek:
      return {.block = "deepseek_moe",
              .folder = "mlp.",
              .shared = "mlp.shared_experts.",
              .number = "n_routed_experts",
              .size = kSize};
    case Experts::kNone:
    case Experts::kQwen3:
      break;
  }
  return {.block = "qwen3_moe", .folder = "mlp.", .shared = "", .number = "num_experts", .size = kSize};
}

// The parts of one expert below `folder`: gate and up, or down.
void AddExpert(const RuleList& rules, const ExpertPlace& place, const std::string& folder, bool is_w13,
               OutputTensor& stack) {
  const std::uint64_t size = rules.shape().expert_intermediate;
  const std::uint64_t hidden = rules.shape().hidden;
  const auto add = [&](std::string_view name, Shape shape, RankCut cut) {
    stack.parts.push_back({fmt::format("{}{}.weight", folder, name), std::move(shape), place.size,
                           rules.cut().expert_parallel ? RankCut::kWhole : cut});
  };
  if (is_w13) {
    add(place.gate, {size, hidden}, RankCut::kRows);
    add(place.up, {size, hidden}, RankCut::kRows);
  } else {
    add(place.down, {hidden, size}, RankCut::kColumns);
  }
}

void AddStack(RuleList& rules, const std::string& name, const ExpertPlace& place, bool is_w13) {
  const std::uint64_t experts = rules.shape().experts;
  OutputTensor stack;
  stack.name = name;
  stack.kind = OutputTensor::Kind::kExperts;
  stack.dtype = rules.shape().dtype;
  stack.parts_per_expert = is_w13 ? 2 : 1;
  stack.shares_experts = rules.cut().expert_parallel;
  stack.parts.reserve((experts + 1) * stack.parts_per_expert);
  for (std::uint64_t expert = 0; expert < experts; ++expert) {
    AddExpert(rules, place, fmt::format("{}{}experts.{}.", rules.prefix(), place.folder, expert), is_w13, stack);
  }
  if (rules.cut().fuses_shared_experts) {
    AddExpert(rules, place, fmt::format("{}{}", rules.prefix(), place.shared), is_w13, stack);
  }
  rules.Add(std::move(stack));
}

void AddExpertMap(RuleList& rules, const std::string& name) {
  if (!rules.cut().expert_parallel) return;
  OutputTensor map;
  map.name = name;
  map.kind = OutputTensor::Kind::kExpertMap;
  map.dtype = Dtype::kI32;
  map.routed_experts = rules.shape().experts;
  rules.Add(std::move(map));
}

void AddRouterBias(RuleList& rules, const std::string& name, const std::string& folder) {
  OutputTensor bias;
  bias.name = name;
  bias.dtype = rules.names().router_bias_is_f32 ? Dtype::kF32 : rules.shape().dtype;
  bias.parts = {{folder + "gate.e_score_correction_bias", {rules.shape().experts}, "n_routed_experts"}};
  rules.Add(std::move(bias));
}

// The shared experts, where they are not in the stacks.
void AddShared(RuleList& rules, const ExpertPlace& place, std::string_view role, const std::string& name) {
  const std::uint64_t size = rules.shape().shared_intermediate;
  const std::string folder = rules.prefix() + std::string(place.shared);
  if (role == "shared_gate_up_proj") {
    rules.Add(name, GateUpParts(rules, folder, size, "size of the shared experts, hidden_size"));
  }
  if (role == "shared_down_proj") {
    rules.Add(name, DownParts(rules, folder, size, "hidden_size, size of the shared experts"));
  }
  if (role == "shared_expert_gate") {
    rules.Add(name, {{fmt::format("{}{}shared_expert_gate.weight", rules.prefix(), place.folder),
                      {1, rules.shape().hidden},
                      "1, hidden_size"}});
  }
}

}  // namespace

std::vector<SourcePart> GateUpParts(const RuleList& rules, const std::string& folder, std::uint64_t size,
                                    std::string_view sizes, std::string_view suffix) {
  Shape shape = {size, rules.shape().hidden};
  if (suffix == ".bias") shape.pop_back();
  return {{fmt::format("{}gate_proj{}", folder, suffix), shape, sizes, RankCut::kRows},
          {fmt::format("{}up_proj{}", folder, suffix), shape, sizes, RankCut::kRows}};
}

std::vector<SourcePart> DownParts(const RuleList& rules, const std::string& folder, std::uint64_t size,
                                  std::string_view sizes) {
  return {{folder + "down_proj.weight", {rules.shape().hidden, size}, sizes, RankCut::kColumns}};
}

void AddDenseMlp(RuleList& rules) {
  const ModelShape& shape = rules.shape();
  const std::string of = rules.prefix() + "mlp.";
  rules.Require("mlp", {"gate_up_proj.weight", "down_proj.weight"});
  if (shape.has_mlp_bias) rules.Require("mlp", {"gate_up_proj.bias", "down_proj.bias"});
  rules.ForEachRole("mlp", [&](const std::string& role, const std::string& name) {
    if (role == "gate_up_proj.weight") {
      rules.Add(name, GateUpParts(rules, of, shape.intermediate, "intermediate_size, hidden_size"));
    }
    if (role == "down_proj.weight") {
      rules.Add(name, DownParts(rules, of, shape.intermediate, "hidden_size, intermediate_size"));
    }
    if (!shape.has_mlp_bias) return;
    if (role == "gate_up_proj.bias") {
      rules.Add(name, GateUpParts(rules, of, shape.intermediate, "intermediate_size", ".bias"));
    }
    if (role == "down_proj.bias") rules.Add(name, {{of + role, {shape.hidden}, "hidden_size"}});
  });
}

void AddExperts(RuleList& rules) {
  const ModelShape& shape = rules.shape();
  const ExpertPlace place = PlaceOf(shape.experts_kind);
  const std::string of = rules.prefix() + std::string(place.folder);
  const bool has_shared = shape.shared_intermediate > 0 && !rules.cut().fuses_shared_experts;
  rules.Require(place.block, {"gate", "w13", "w2"});
  if (shape.has_router_bias) rules.Require(place.block, {"e_score_correction_bias"});
  if (has_shared) rules.Require(place.block, {"shared_gate_up_proj", "shared_down_proj"});
  if (has_shared && shape.experts_kind == Experts::kQwen2) rules.Require(place.block, {"shared_expert_gate"});
  rules.ForEachRole(place.block, [&](const std::string& role, const std::string& name) {
    if (role == "gate") rules.Add(name, {{of + "gate.weight", {shape.experts, shape.hidden}, place.number}});
    if (role == "w13") AddStack(rules, name, place, true);
    if (role == "w2") AddStack(rules, name, place, false);
    if (role == "expert_map") AddExpertMap(rules, name);
    if (role == "e_score_correction_bias" && shape.has_router_bias) AddRouterBias(rules, name, of);
    if (has_shared) AddShared(rules, place, role, name);
  });
}

}  // namespace shardfs
