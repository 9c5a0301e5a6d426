#include "tools/families.h"

#include <span>
#include <utility>

#include "tools/family_configs.h"

namespace shardfs::tools {
namespace {

// Families share the blocks of the modules that they have in common. The size of a head is `head_dim` where the
// family's config.json has that key, and hidden_size / num_attention_heads elsewhere.

constexpr std::string_view kUntied = "tie_word_embeddings < 1";
constexpr std::string_view kDense = "layer < first_k_dense_replace";
constexpr std::string_view kMoe = "layer >= first_k_dense_replace";
constexpr std::string_view kMtp = "layer >= num_hidden_layers";

constexpr TensorRow kEmbedding[] = {{"model.embed_tokens.weight", "vocab_size", "hidden_size"}};

constexpr TensorRow kNormAndHead[] = {
    {"model.norm.weight", "hidden_size", ""},
    {"lm_head.weight", "vocab_size", "hidden_size", kUntied},
};

constexpr TensorRow kLayerNorms[] = {
    {"model.layers.{layer}.input_layernorm.weight", "hidden_size", ""},
    {"model.layers.{layer}.post_attention_layernorm.weight", "hidden_size", ""},
};

constexpr std::string_view kKvRows = "num_key_value_heads * hidden_size / num_attention_heads";

constexpr TensorRow kLlamaAttention[] = {
    {"model.layers.{layer}.self_attn.q_proj.weight", "hidden_size", "hidden_size"},
    {"model.layers.{layer}.self_attn.k_proj.weight", kKvRows, "hidden_size"},
    {"model.layers.{layer}.self_attn.v_proj.weight", kKvRows, "hidden_size"},
    {"model.layers.{layer}.self_attn.o_proj.weight", "hidden_size", "hidden_size"},
};

constexpr TensorRow kQwen2Attention[] = {
    {"model.layers.{layer}.self_attn.q_proj.weight", "hidden_size", "hidden_size"},
    {"model.layers.{layer}.self_attn.q_proj.bias", "hidden_size", ""},
    {"model.layers.{layer}.self_attn.k_proj.weight", kKvRows, "hidden_size"},
    {"model.layers.{layer}.self_attn.k_proj.bias", kKvRows, ""},
    {"model.layers.{layer}.self_attn.v_proj.weight", kKvRows, "hidden_size"},
    {"model.layers.{layer}.self_attn.v_proj.bias", kKvRows, ""},
    {"model.layers.{layer}.self_attn.o_proj.weight", "hidden_size", "hidden_size"},
};

constexpr TensorRow kQwen3Attention[] = {
    {"model.layers.{layer}.self_attn.q_proj.weight", "num_attention_heads * head_dim", "hidden_size"},
    {"model.layers.{layer}.self_attn.k_proj.weight", "num_key_value_heads * head_dim", "hidden_size"},
    {"model.layers.{layer}.self_attn.v_proj.weight", "num_key_value_heads * head_dim", "hidden_size"},
    {"model.layers.{layer}.self_attn.o_proj.weight", "hidden_size", "num_attention_heads * head_dim"},
    {"model.layers.{layer}.self_attn.q_norm.weight", "head_dim", ""},
    {"model.layers.{layer}.self_attn.k_norm.weight", "head_dim", ""},
};

constexpr TensorRow kMlp[] = {
    {"model.layers.{layer}.mlp.gate_proj.weight", "intermediate_size", "hidden_size"},
    {"model.layers.{layer}.mlp.up_proj.weight", "intermediate_size", "hidden_size"},
    {"model.layers.{layer}.mlp.down_proj.weight", "hidden_size", "intermediate_size"},
};

// Every layer is an MoE layer, as in all published checkpoints (decoder_sparse_step 1, no mlp_only_layers).
constexpr TensorRow kQwen3Moe[] = {
    {"model.layers.{layer}.mlp.gate.weight", "num_experts", "hidden_size"},
    {"model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight", "moe_intermediate_size", "hidden_size"},
    {"model.layers.{layer}.mlp.experts.{expert}.up_proj.weight", "moe_intermediate_size", "hidden_size"},
    {"model.layers.{layer}.mlp.experts.{expert}.down_proj.weight", "hidden_size", "moe_intermediate_size"},
};

constexpr TensorRow kMixtralMoe[] = {
    {"model.layers.{layer}.block_sparse_moe.gate.weight", "num_local_experts", "hidden_size"},
    {"model.layers.{layer}.block_sparse_moe.experts.{expert}.w1.weight", "intermediate_size", "hidden_size"},
    {"model.layers.{layer}.block_sparse_moe.experts.{expert}.w2.weight", "hidden_size", "intermediate_size"},
    {"model.layers.{layer}.block_sparse_moe.experts.{expert}.w3.weight", "intermediate_size", "hidden_size"},
};

// Multi-head latent attention. DeepSeek-V2-Lite has no q_lora_rank, and one projection in place of two.
constexpr std::string_view kQRows = "num_attention_heads * qk_nope_head_dim + num_attention_heads * qk_rope_head_dim";
constexpr std::string_view kKvBRows = "num_attention_heads * qk_nope_head_dim + num_attention_heads * v_head_dim";

constexpr TensorRow kLatentAttention[] = {
    {"model.layers.{layer}.self_attn.q_proj.weight", kQRows, "hidden_size", "q_lora_rank < 1"},
    {"model.layers.{layer}.self_attn.q_a_proj.weight", "q_lora_rank", "hidden_size", "q_lora_rank >= 1"},
    {"model.layers.{layer}.self_attn.q_a_layernorm.weight", "q_lora_rank", "", "q_lora_rank >= 1"},
    {"model.layers.{layer}.self_attn.q_b_proj.weight", kQRows, "q_lora_rank", "q_lora_rank >= 1"},
    {"model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight", "kv_lora_rank + qk_rope_head_dim", "hidden_size"},
    {"model.layers.{layer}.self_attn.kv_a_layernorm.weight", "kv_lora_rank", ""},
    {"model.layers.{layer}.self_attn.kv_b_proj.weight", kKvBRows, "kv_lora_rank"},
    {"model.layers.{layer}.self_attn.o_proj.weight", "hidden_size", "num_attention_heads * v_head_dim"},
};

// In all DeepSeek families the first layers are dense, and the shared experts are fused into one MLP.
constexpr TensorRow kDenseMlp[] = {
    {"model.layers.{layer}.mlp.gate_proj.weight", "intermediate_size", "hidden_size", kDense},
    {"model.layers.{layer}.mlp.up_proj.weight", "intermediate_size", "hidden_size", kDense},
    {"model.layers.{layer}.mlp.down_proj.weight", "hidden_size", "intermediate_size", kDense},
};

constexpr TensorRow kRouter[] = {{"model.layers.{layer}.mlp.gate.weight", "n_routed_experts", "hidden_size", kMoe}};

// DeepSeek-V3 adds it to the router's scores when it chooses experts.
constexpr TensorRow kRouterBias[] = {
    {"model.layers.{layer}.mlp.gate.e_score_correction_bias", "n_routed_experts", "", kMoe, /*always_f32=*/true},
};

constexpr TensorRow kRoutedExperts[] = {
    {"model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight", "moe_intermediate_size", "hidden_size", kMoe},
    {"model.layers.{layer}.mlp.experts.{expert}.up_proj.weight", "moe_intermediate_size", "hidden_size", kMoe},
    {"model.layers.{layer}.mlp.experts.{expert}.down_proj.weight", "hidden_size", "moe_intermediate_size", kMoe},
};

constexpr std::string_view kSharedSize = "n_shared_experts * moe_intermediate_size";
constexpr std::string_view kShared = "layer >= first_k_dense_replace and n_shared_experts >= 1";

constexpr TensorRow kSharedExperts[] = {
    {"model.layers.{layer}.mlp.shared_experts.gate_proj.weight", kSharedSize, "hidden_size", kShared},
    {"model.layers.{layer}.mlp.shared_experts.up_proj.weight", kSharedSize, "hidden_size", kShared},
    {"model.layers.{layer}.mlp.shared_experts.down_proj.weight", "hidden_size", kSharedSize, kShared},
};

constexpr TensorRow kMtpBegin[] = {
    {"model.layers.{layer}.embed_tokens.weight", "vocab_size", "hidden_size", kMtp},
    {"model.layers.{layer}.enorm.weight", "hidden_size", "", kMtp},
    {"model.layers.{layer}.hnorm.weight", "hidden_size", "", kMtp},
    {"model.layers.{layer}.eh_proj.weight", "hidden_size", "2 * hidden_size", kMtp},
};

constexpr TensorRow kMtpEnd[] = {
    {"model.layers.{layer}.shared_head.norm.weight", "hidden_size", "", kMtp},
    {"model.layers.{layer}.shared_head.head.weight", "vocab_size", "hidden_size", kMtp},
};

Section Once(std::span<const TensorRow> block) { return {.first_layer = {}, .layers = {}, .blocks = {block}}; }

// Embedding, layers, norm and head: what all families but DeepSeek-V3 consist of.
std::vector<Section> Sections(std::vector<std::span<const TensorRow>> layer_blocks) {
  return {Once(kEmbedding), {"0", "num_hidden_layers", std::move(layer_blocks)}, Once(kNormAndHead)};
}

// The MTP layers follow the head; their numbers follow those of the other layers.
std::vector<Section> DeepSeekV3Sections() {
  std::vector<Section> sections = Sections({kMtpBegin, kLatentAttention, kLayerNorms, kDenseMlp, kRouter, kRouterBias,
                                            kRoutedExperts, kSharedExperts, kMtpEnd});
  sections.push_back({"num_hidden_layers", "num_nextn_predict_layers", sections[1].blocks});
  return sections;
}

std::vector<Family> MakeFamilies() {
  return {
      {"llama", "Llama", "", false, LlamaConfig(), Sections({kLlamaAttention, kMlp, kLayerNorms})},
      {"qwen2", "Qwen2", "", false, Qwen2Config(), Sections({kQwen2Attention, kMlp, kLayerNorms})},
      {"qwen3", "Qwen3", "", false, Qwen3Config(), Sections({kQwen3Attention, kMlp, kLayerNorms})},
      {"qwen3-moe", "Qwen3-MoE", "num_experts", false, Qwen3MoeConfig(),
       Sections({kQwen3Attention, kQwen3Moe, kLayerNorms})},
      {"mixtral", "Mixtral", "num_local_experts", false, MixtralConfig(),
       Sections({kLlamaAttention, kMixtralMoe, kLayerNorms})},
      {"deepseek", "DeepSeekMoE", "n_routed_experts", true, DeepSeekMoeConfig(),
       Sections({kLlamaAttention, kDenseMlp, kRoutedExperts, kRouter, kSharedExperts, kLayerNorms})},
      {"deepseek-v2", "DeepSeek-V2", "n_routed_experts", true, DeepSeekV2Config(),
       Sections({kLatentAttention, kDenseMlp, kRoutedExperts, kRouter, kSharedExperts, kLayerNorms})},
      {"deepseek-v3", "DeepSeek-V3", "n_routed_experts", true, DeepSeekV3Config(), DeepSeekV3Sections()},
  };
}

}  // namespace

const std::vector<Family>& Families() {
  static const std::vector<Family> families = MakeFamilies();
  return families;
}

const Family* FindFamily(std::string_view name) {
  for (const Family& family : Families()) {
    if (family.name == name) return &family;
  }
  return nullptr;
}

}  // namespace shardfs::tools
