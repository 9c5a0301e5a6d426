// A table of names lists the roles of each block in the order of the state dict; what each role is made of stands in
// attention_rules.cc and mlp_rules.cc. For every layer the blocks that it has are walked: attention, MLP or experts,
// the two norms. A role that the model does not have (biases, shared experts) is passed over; a role that it has and
// the table has not is refused, but for the tensors that an engine may do without: the scalars of attention and the map
// of experts.
#include "layout/sharded_state/state_dict_rules.h"

#include <fmt/format.h>

#include "layout/sharded_state/rule_list.h"

namespace shardfs {
namespace {

Status CheckDivides(std::string_view what, std::uint64_t size, std::uint32_t tp) {
  if (size % tp == 0) return Status::Ok();
  return Status::InvalidArgument(fmt::format("{} {} does not divide by tp {}", what, size, tp));
}

Status CheckKvHeads(std::uint64_t heads, std::uint32_t tp) {
  if (heads % tp == 0 || tp % heads == 0) return Status::Ok();
  return Status::InvalidArgument(
      fmt::format("num_key_value_heads {} neither divides by tp {} nor divides it", heads, tp));
}

Status CheckDivisions(const ModelShape& shape, const ShardedCut& cut) {
  SHARDFS_RETURN_IF_ERROR(CheckDivides("num_attention_heads", shape.heads, cut.tp));
  if (!shape.mla) SHARDFS_RETURN_IF_ERROR(CheckKvHeads(shape.kv_heads, cut.tp));
  if (shape.HasDenseLayers()) SHARDFS_RETURN_IF_ERROR(CheckDivides("intermediate_size", shape.intermediate, cut.tp));
  if (shape.HasMoeLayers()) {
    const bool is_mixtral = shape.experts_kind == ModelShape::Experts::kMixtral;
    const char* const key = is_mixtral ? "intermediate_size" : "moe_intermediate_size";
    if (!cut.expert_parallel) SHARDFS_RETURN_IF_ERROR(CheckDivides(key, shape.expert_intermediate, cut.tp));
    SHARDFS_RETURN_IF_ERROR(CheckDivides("the size of the shared experts", shape.shared_intermediate, cut.tp));
  }
  return CheckDivides(fmt::format("vocab_size {} filled up to", shape.vocab), PaddedVocab(shape.vocab), cut.tp);
}

void AddOfModel(RuleList& rules, std::string_view role, SourcePart part) {
  rules.Require("model", {role});
  rules.ForEachRole("model", [&](const std::string& known, const std::string& name) {
    if (known == role) rules.Add(name, {part});
  });
}

void AddLayer(RuleList& rules, std::uint64_t layer) {
  rules.BeginLayer(layer);
  AddAttention(rules);
  if (rules.shape().IsMoe(layer)) {
    AddExperts(rules);
  } else {
    AddDenseMlp(rules);
  }
  rules.Require("layer_norms", {"input_layernorm", "post_attention_layernorm"});
  rules.ForEachRole("layer_norms", [&](const std::string& role, const std::string& name) {
    rules.Add(name, {{rules.prefix() + role + ".weight", {rules.shape().hidden}, "hidden_size"}});
  });
}

}  // namespace

Result<std::vector<OutputTensor>> StateDictRules(const ModelShape& shape, const EngineNames& names,
                                                 const ShardedCut& cut) {
  SHARDFS_RETURN_IF_ERROR(CheckDivisions(shape, cut));
  RuleList rules(shape, names, cut);
  constexpr std::string_view kVocabSizes = "vocab_size, hidden_size";
  AddOfModel(rules, shape.tied_embedding ? "tied_embed_tokens" : "embed_tokens",
             {"model.embed_tokens.weight", {shape.vocab, shape.hidden}, kVocabSizes, RankCut::kVocab});
  for (std::uint64_t layer = 0; layer < shape.layers; ++layer) AddLayer(rules, layer);
  rules.EndLayers();
  AddOfModel(rules, "norm", {"model.norm.weight", {shape.hidden}, "hidden_size"});
  if (!shape.tied_embedding) {
    AddOfModel(rules, "lm_head", {"lm_head.weight", {shape.vocab, shape.hidden}, kVocabSizes, RankCut::kVocab});
  }
  return std::move(rules).Take();
}

}  // namespace shardfs
