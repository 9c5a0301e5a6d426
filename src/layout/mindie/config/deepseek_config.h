// DeepseekConfig: what config.json of a DeepSeek-V2/V3/R1 checkpoint says about the shapes of its tensors.
// Sources: spec/mindie-weight-sharder.md, section 1 ("Other hard requirements", "Model types") and its notation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shardfs/base/json.h"
#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"

namespace shardfs {

struct DeepseekConfig {
  std::string model_type;
  Dtype dtype = Dtype::kBF16;  // torch_dtype: BF16 or F16
  std::uint64_t hidden_size = 0;
  std::uint64_t intermediate_size = 0;      // dense MLP
  std::uint64_t moe_intermediate_size = 0;  // one expert
  std::uint64_t layers = 0;                 // num_hidden_layers, without MTP layers
  // num_nextn_predict_layers: the MTP layers, which come behind the others; nothing where config.json does not say.
  std::optional<std::uint64_t> mtp_layers;
  std::uint64_t first_dense_layers = 0;     // first_k_dense_replace: layers below it are dense, the others MoE
  std::uint64_t heads = 0;
  std::uint64_t routed_experts = 0;
  std::uint64_t shared_experts = 0;  // 0 when the model has none
  std::uint64_t vocab_size = 0;
  std::optional<std::uint64_t> q_lora_rank;  // nothing: one q_proj instead of q_a_proj and q_b_proj
  std::uint64_t kv_lora_rank = 0;
  std::uint64_t nope_head_dim = 0;  // qk_nope_head_dim
  std::uint64_t rope_head_dim = 0;  // qk_rope_head_dim
  std::uint64_t v_head_dim = 0;
  bool router_has_bias = false;  // topk_method is noaux_tc

  // Quantisation, as MindIE compares it; empty where config.json says nothing (section 3.5).
  std::string quantize;      // dense MLP, shared experts, and what the others default to
  std::string mla_quantize;  // attention
  std::string moe_quantize;  // routed experts
  bool has_mtp_quantize = false;

  const std::string& AttentionQuantize() const { return mla_quantize.empty() ? quantize : mla_quantize; }
  // How the routed experts are quantised; in the MTP layer, `mtp_quantize` (whatever its value) brings back `quantize`.
  const std::string& ExpertQuantize(bool is_mtp_layer) const {
    return moe_quantize.empty() || (is_mtp_layer && has_mtp_quantize) ? quantize : moe_quantize;
  }

  bool IsMoe(std::uint64_t layer) const { return layer >= first_dense_layers; }

  // `config` is config.json under MindIE's names (EffectiveConfig::json()); `quantize_origin` says in messages where
  // its "quantize" comes from. kCorruption for a missing key or one of the wrong type, kNotSupported for a model that
  // the layout does not cover; each names the key and its value. What else MindIE refuses, server_limits.h knows.
  static Result<DeepseekConfig> Parse(const JsonValue& config,
                                      std::string_view quantize_origin = "\"quantize\" of config.json");
};

}  // namespace shardfs
