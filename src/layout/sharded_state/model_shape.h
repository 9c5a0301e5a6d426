// ModelShape: what config.json says of the tensors of a model, as vLLM and SGLang read it.
// Source: spec/sharded-state.md, sections 2 and 3.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "shardfs/base/json.h"
#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"

namespace shardfs {

struct ModelShape {
  // How the routed experts are arranged, which decides their names.
  enum class Experts : std::uint8_t { kNone, kMixtral, kQwen2, kQwen3, kDeepseek };

  std::string model_type;
  Dtype dtype = Dtype::kBF16;  // torch_dtype or dtype
  std::uint64_t hidden = 0;
  std::uint64_t layers = 0;  // without MTP layers
  std::uint64_t vocab = 0;
  bool tied_embedding = false;

  std::uint64_t heads = 0;
  std::uint64_t kv_heads = 0;
  std::uint64_t head_dim = 0;
  bool has_qkv_bias = false;
  bool has_o_bias = false;
  bool has_qk_norm = false;

  struct LatentAttention {
    std::optional<std::uint64_t> q_lora_rank;
    std::uint64_t kv_lora_rank = 0;
    std::uint64_t nope_head_dim = 0;
    std::uint64_t rope_head_dim = 0;
    std::uint64_t v_head_dim = 0;
  };
  std::optional<LatentAttention> mla;  // has a value where the model has multi-head latent attention

  std::uint64_t intermediate = 0;  // of a dense MLP
  bool has_mlp_bias = false;

  Experts experts_kind = Experts::kNone;
  std::uint64_t experts = 0;              // routed experts of a layer; 0: every layer is dense
  std::uint64_t expert_intermediate = 0;  // of one
  std::uint64_t shared_experts = 0;       // how many the config names; qwen2_moe has one or none
  std::uint64_t shared_intermediate = 0;  // of all shared experts together; 0: there are none
  bool has_router_bias = false;           // e_score_correction_bias
  std::uint64_t first_moe_layer = 0;      // DeepSeek's first_k_dense_replace
  std::uint64_t moe_step = 1;             // DeepSeek's moe_layer_freq, Qwen's decoder_sparse_step
  std::set<std::uint64_t> dense_layers;   // Qwen's mlp_only_layers

  bool IsMoe(std::uint64_t layer) const;
  bool HasDenseLayers() const;
  bool HasMoeLayers() const;

  // kCorruption for a key that is missing or has an impossible value, kNotSupported for a model type or a dtype that
  // the layout does not cover, and for quantised weights; each names the key and its value.
  static Result<ModelShape> Parse(const JsonValue& config);
};

}  // namespace shardfs
