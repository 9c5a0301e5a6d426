// Grouped-query attention (q, k and v as one) and multi-head latent attention.
#include <fmt/format.h>

#include "layout/sharded_state/rule_list.h"

namespace shardfs {
namespace {

// The scalars that vLLM registers for a quantised KV cache; without one they are 1.
bool AddScalar(RuleList& rules, std::string_view role, const std::string& name) {
  if (!role.ends_with("_scale")) return false;
  OutputTensor tensor;
  tensor.name = name;
  tensor.kind = OutputTensor::Kind::kOne;
  tensor.dtype = Dtype::kF32;
  rules.Add(std::move(tensor));
  return true;
}

// q, k and v, one below the other; ranks that are more than the heads of k and v share one.
std::vector<SourcePart> QkvParts(const RuleList& rules, std::string_view suffix, const Shape& columns) {
  const ModelShape& shape = rules.shape();
  const std::uint32_t tp = rules.cut().tp;
  const std::uint32_t copies = tp > shape.kv_heads ? static_cast<std::uint32_t>(tp / shape.kv_heads) : 1;
  const auto part = [&](std::string_view name, std::uint64_t heads, std::string_view sizes, std::uint32_t same) {
    Shape size = {heads * shape.head_dim};
    size.insert(size.end(), columns.begin(), columns.end());
    return SourcePart{fmt::format("{}self_attn.{}{}", rules.prefix(), name, suffix), std::move(size), sizes,
                      RankCut::kRows, same};
  };
  constexpr std::string_view kQ = "num_attention_heads * head_dim, hidden_size";
  constexpr std::string_view kKv = "num_key_value_heads * head_dim, hidden_size";
  return {part("q_proj", shape.heads, kQ, 1), part("k_proj", shape.kv_heads, kKv, copies),
          part("v_proj", shape.kv_heads, kKv, copies)};
}

void AddGroupedAttention(RuleList& rules) {
  const ModelShape& shape = rules.shape();
  const std::string of = rules.prefix() + "self_attn.";
  rules.Require("attention", {"qkv_proj.weight", "o_proj.weight"});
  if (shape.has_qkv_bias) rules.Require("attention", {"qkv_proj.bias"});
  if (shape.has_o_bias) rules.Require("attention", {"o_proj.bias"});
  if (shape.has_qk_norm) rules.Require("attention", {"q_norm", "k_norm"});
  rules.ForEachRole("attention", [&](const std::string& role, const std::string& name) {
    if (AddScalar(rules, role, name)) return;
    if (role == "qkv_proj.weight") rules.Add(name, QkvParts(rules, ".weight", {shape.hidden}));
    if (role == "o_proj.weight") {
      rules.Add(name, {{of + role,
                        {shape.hidden, shape.heads * shape.head_dim},
                        "hidden_size, num_attention_heads * head_dim",
                        RankCut::kColumns}});
    }
    if (role == "qkv_proj.bias" && shape.has_qkv_bias) rules.Add(name, QkvParts(rules, ".bias", {}));
    if (role == "o_proj.bias" && shape.has_o_bias) rules.Add(name, {{of + role, {shape.hidden}, "hidden_size"}});
    if ((role == "q_norm" || role == "k_norm") && shape.has_qk_norm) {
      rules.Add(name, {{of + role + ".weight", {shape.head_dim}, "head_dim"}});
    }
  });
}

// What a role of latent attention is made of, but for fused_qkv_a_proj, which is two of them.
SourcePart LatentPart(const RuleList& rules, std::string_view role) {
  const ModelShape& shape = rules.shape();
  const ModelShape::LatentAttention& mla = *shape.mla;
  const std::uint64_t q_rank = mla.q_lora_rank.value_or(0);
  const std::uint64_t q_rows = shape.heads * (mla.nope_head_dim + mla.rope_head_dim);
  const std::uint64_t kv_rows = shape.heads * (mla.nope_head_dim + mla.v_head_dim);
  const std::string name = fmt::format("{}self_attn.{}.weight", rules.prefix(), role);
  constexpr std::string_view kQRows = "num_attention_heads * (qk_nope_head_dim + qk_rope_head_dim)";
  if (role == "q_a_proj") return {name, {q_rank, shape.hidden}, "q_lora_rank, hidden_size"};
  if (role == "q_a_layernorm") return {name, {q_rank}, "q_lora_rank"};
  if (role == "q_b_proj") return {name, {q_rows, q_rank}, kQRows, RankCut::kRows};
  if (role == "q_proj") return {name, {q_rows, shape.hidden}, kQRows, RankCut::kRows};
  if (role == "kv_a_layernorm") return {name, {mla.kv_lora_rank}, "kv_lora_rank"};
  if (role == "kv_b_proj") {
    return {name,
            {kv_rows, mla.kv_lora_rank},
            "num_attention_heads * (qk_nope_head_dim + v_head_dim), kv_lora_rank",
            RankCut::kRows};
  }
  if (role == "o_proj") {
    return {name,
            {shape.hidden, shape.heads * mla.v_head_dim},
            "hidden_size, num_attention_heads * v_head_dim",
            RankCut::kColumns};
  }
  return {name,
          {mla.kv_lora_rank + mla.rope_head_dim, shape.hidden},
          "kv_lora_rank + qk_rope_head_dim, hidden_size"};  // kv_a_proj_with_mqa
}

void AddLatentAttention(RuleList& rules) {
  const bool has_q_lora = rules.shape().mla->q_lora_rank.has_value();
  const std::string_view block = has_q_lora ? "mla" : "mla_without_q_lora";
  rules.Require(block, {"kv_a_layernorm", "kv_b_proj", "o_proj"});
  if (has_q_lora) rules.Require(block, {"q_a_layernorm", "q_b_proj"});
  if (!has_q_lora) rules.Require(block, {"q_proj", "kv_a_proj_with_mqa"});
  if (has_q_lora && !rules.Has(block, "fused_qkv_a_proj")) rules.Require(block, {"q_a_proj", "kv_a_proj_with_mqa"});
  rules.ForEachRole(block, [&](const std::string& role, const std::string& name) {
    if (AddScalar(rules, role, name)) return;
    if (role == "fused_qkv_a_proj") {
      rules.Add(name, {LatentPart(rules, "q_a_proj"), LatentPart(rules, "kv_a_proj_with_mqa")});
    } else {
      rules.Add(name, {LatentPart(rules, role)});
    }
  });
}

}  // namespace

void AddAttention(RuleList& rules) {
  if (rules.shape().mla) {
    AddLatentAttention(rules);
  } else {
    AddGroupedAttention(rules);
  }
}

}  // namespace shardfs
