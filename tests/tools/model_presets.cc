#include "tools/model_presets.h"

#include <string>

#include "tools/families.h"

namespace shardfs::tools {
namespace {

std::vector<ModelPreset> DensePresets() {
  return {
      {"llama-small",
       "llama",
       2,
       {{"hidden_size", "64"},
        {"intermediate_size", "176"},
        {"num_attention_heads", "16"},
        {"num_hidden_layers", "4"},
        {"num_key_value_heads", "4"},
        {"vocab_size", "512"}}},
      {"llama-3-8b", "llama", 4, {}},
      {"llama-3-70b",
       "llama",
       30,
       {{"hidden_size", "8192"},
        {"intermediate_size", "28672"},
        {"num_attention_heads", "64"},
        {"num_hidden_layers", "80"}}},
      // The small models of Qwen2 and Qwen3 tie the head to the embedding, and so do these.
      {"qwen2-small",
       "qwen2",
       2,
       {{"hidden_size", "64"},
        {"intermediate_size", "152"},
        {"num_attention_heads", "16"},
        {"num_hidden_layers", "4"},
        {"num_key_value_heads", "4"},
        {"tie_word_embeddings", "true"},
        {"vocab_size", "512"}}},
      {"qwen2-7b", "qwen2", 4, {}},
      {"qwen3-small",
       "qwen3",
       2,
       {{"head_dim", "16"},
        {"hidden_size", "64"},
        {"intermediate_size", "152"},
        {"num_attention_heads", "8"},
        {"num_hidden_layers", "4"},
        {"num_key_value_heads", "4"},
        {"tie_word_embeddings", "true"},
        {"vocab_size", "512"}}},
      {"qwen3-4b",
       "qwen3",
       3,
       {{"hidden_size", "2560"}, {"intermediate_size", "9728"}, {"tie_word_embeddings", "true"}}},
      {"qwen3-8b", "qwen3", 5, {}},
  };
}

std::vector<ModelPreset> MoePresets() {
  return {
      {"qwen3-moe-small",
       "qwen3-moe",
       2,
       {{"head_dim", "16"},
        {"hidden_size", "64"},
        {"intermediate_size", "192"},
        {"moe_intermediate_size", "32"},
        {"num_attention_heads", "8"},
        {"num_experts", "16"},
        {"num_experts_per_tok", "4"},
        {"num_hidden_layers", "3"},
        {"num_key_value_heads", "4"},
        {"vocab_size", "512"}}},
      {"qwen3-30b-a3b", "qwen3-moe", 16, {}},
      {"qwen3-235b-a22b",
       "qwen3-moe",
       118,
       {{"hidden_size", "4096"},
        {"intermediate_size", "12288"},
        {"max_window_layers", "94"},
        {"moe_intermediate_size", "1536"},
        {"num_attention_heads", "64"},
        {"num_hidden_layers", "94"}}},
      {"mixtral-small",
       "mixtral",
       2,
       {{"hidden_size", "64"},
        {"intermediate_size", "96"},
        {"num_attention_heads", "16"},
        {"num_hidden_layers", "3"},
        {"num_key_value_heads", "4"},
        {"vocab_size", "512"}}},
      {"mixtral-8x7b", "mixtral", 19, {}},
      {"deepseek-moe-small",
       "deepseek",
       2,
       {{"hidden_size", "64"},
        {"intermediate_size", "160"},
        {"moe_intermediate_size", "32"},
        {"n_routed_experts", "16"},
        {"num_hidden_layers", "4"},
        {"vocab_size", "512"}}},
      {"deepseek-moe-16b", "deepseek", 7, {}},
  };
}

// DeepSeek-V2-Lite has no q_lora_rank; the small one has.
std::vector<ModelPreset> DeepSeekV2Presets() {
  return {
      {"deepseek-v2-small",
       "deepseek-v2",
       2,
       {{"hidden_size", "64"},
        {"intermediate_size", "160"},
        {"kv_lora_rank", "16"},
        {"moe_intermediate_size", "32"},
        {"n_group", "4"},
        {"n_routed_experts", "16"},
        {"num_attention_heads", "16"},
        {"num_hidden_layers", "4"},
        {"num_key_value_heads", "16"},
        {"q_lora_rank", "24"},
        {"qk_nope_head_dim", "8"},
        {"qk_rope_head_dim", "4"},
        {"v_head_dim", "8"},
        {"vocab_size", "512"}}},
      {"deepseek-v2-lite",
       "deepseek-v2",
       4,
       {{"hidden_size", "2048"},
        {"intermediate_size", "10944"},
        {"moe_intermediate_size", "1408"},
        {"n_group", "1"},
        {"n_routed_experts", "64"},
        {"num_attention_heads", "16"},
        {"num_hidden_layers", "27"},
        {"num_key_value_heads", "16"},
        {"q_lora_rank", "null"},
        {"routed_scaling_factor", "1.0"},
        {"topk_group", "1"},
        {"topk_method", R"("greedy")"}}},
      {"deepseek-v2", "deepseek-v2", 55, {}},
  };
}

std::vector<ModelPreset> MakePresets() {
  std::vector<ModelPreset> presets = DensePresets();
  for (const auto& more : {MoePresets(), DeepSeekV2Presets()}) presets.insert(presets.end(), more.begin(), more.end());
  return presets;
}

}  // namespace

const std::vector<ModelPreset>& ModelPresets() {
  static const std::vector<ModelPreset> presets = MakePresets();
  return presets;
}

const ModelPreset* FindModelPreset(std::string_view name) {
  for (const ModelPreset& preset : ModelPresets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

Model ModelOf(const ModelPreset& preset) {
  Model model;
  model.family = FindFamily(preset.family);
  model.config = ModelConfig(model.family->config);
  for (const auto& [key, json] : preset.changes) model.config.Set(key, std::string(json));
  return model;
}

}  // namespace shardfs::tools
