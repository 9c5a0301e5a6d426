#include "tools/deepseek_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <iterator>

#include "tools/checkpoint_tensors.h"

namespace shardfs::tools {
namespace {

// The public checkpoints' 8 groups of 32 experts, 4 groups and 8 experts to a token, scaled down to fewer experts.
struct Routing {
  std::uint64_t groups = 1;
  std::uint64_t groups_per_token = 1;
  std::uint64_t experts_per_token = 1;
};

Routing RoutingOf(std::uint64_t experts) {
  Routing routing;
  for (const std::uint64_t groups : {8u, 4u, 2u}) {
    if (experts % groups == 0 && experts / groups >= 4) {
      routing.groups = groups;
      break;
    }
  }
  routing.groups_per_token = std::max<std::uint64_t>(1, routing.groups / 2);
  routing.experts_per_token = std::clamp<std::uint64_t>(experts / 4, 1, 8);
  return routing;
}

// The last keys of config.json, with the comma before them.
std::string QuantisationKeys(const Quantisation& quantisation) {
  const std::string_view quantize = QuantizeName(quantisation.kind);
  if (quantize.empty()) return {};
  std::string keys = fmt::format(",\n  \"quantize\": \"{}\"", quantize);
  if (AttentionKind(quantisation.kind) != MlpKind(quantisation.kind)) keys += ",\n  \"mla_quantize\": \"w8a8\"";
  if (ExpertKind(quantisation.kind) == WeightKind::kW4A8Dynamic) keys += ",\n  \"moe_quantize\": \"w4a8_dynamic\"";
  if (quantisation.quantised_mtp && quantize == "w8a8_dynamic") keys += ",\n  \"mtp_quantize\": \"w8a8_dynamic\"";
  if (quantisation.fa3) keys += ",\n  \"quantization_config\": {\n    \"fa_quant_type\": \"FAKQuant\"\n  }";
  return keys;
}

// What the description says of one tensor.
std::string_view DescriptionOf(const DeepSeekShape& shape, const Quantisation& quantisation, std::string_view name) {
  const auto contains = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (contains(".fa_q.") || contains(".fa_k.") || contains(".fa_v.")) return "FAQuant";
  if (contains("layernorm.module.")) return WeightKindName(AttentionKind(quantisation.kind));
  return WeightKindName(KindOfTensor(quantisation, shape.layers, name));
}

}  // namespace

std::string ConfigJson(const DeepSeekShape& s, const Quantisation& quantisation) {
  const Routing routing = RoutingOf(s.experts);
  return fmt::format(
      R"({{
  "architectures": [
    "DeepseekV3ForCausalLM"
  ],
  "attention_bias": false,
  "attention_dropout": 0.0,
  "aux_loss_alpha": 0.001,
  "bos_token_id": 0,
  "eos_token_id": 1,
  "ep_size": 1,
  "first_k_dense_replace": {first_k_dense},
  "hidden_act": "silu",
  "hidden_size": {hidden},
  "initializer_range": 0.02,
  "intermediate_size": {intermediate},
  "kv_lora_rank": {kv_lora_rank},
  "max_position_embeddings": 163840,
  "model_type": "deepseek_v3",
  "moe_intermediate_size": {moe_intermediate},
  "moe_layer_freq": 1,
  "n_group": {groups},
  "n_routed_experts": {experts},
  "n_shared_experts": {shared_experts},
  "norm_topk_prob": true,
  "num_attention_heads": {heads},
  "num_experts_per_tok": {experts_per_token},
  "num_hidden_layers": {layers},
  "num_key_value_heads": {heads},
  "num_nextn_predict_layers": {mtp_layers},
  "pretraining_tp": 1,
  "q_lora_rank": {q_lora_rank},
  "qk_nope_head_dim": {qk_nope_head_dim},
  "qk_rope_head_dim": {qk_rope_head_dim},
  "rms_norm_eps": 1e-06,
  "rope_scaling": {{
    "beta_fast": 32,
    "beta_slow": 1,
    "factor": 40,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "original_max_position_embeddings": 4096,
    "type": "yarn"
  }},
  "rope_theta": 10000,
  "routed_scaling_factor": 2.5,
  "scoring_func": "sigmoid",
  "seq_aux": true,
  "tie_word_embeddings": false,
  "topk_group": {groups_per_token},
  "topk_method": "noaux_tc",
  "torch_dtype": "{torch_dtype}",
  "transformers_version": "4.33.1",
  "use_cache": true,
  "v_head_dim": {v_head_dim},
  "vocab_size": {vocab}{quantisation}
}}
)",
      fmt::arg("first_k_dense", s.first_k_dense), fmt::arg("hidden", s.hidden),
      fmt::arg("intermediate", s.intermediate), fmt::arg("kv_lora_rank", s.kv_lora_rank),
      fmt::arg("moe_intermediate", s.moe_intermediate), fmt::arg("groups", routing.groups),
      fmt::arg("experts", s.experts), fmt::arg("shared_experts", s.shared_experts), fmt::arg("heads", s.heads),
      fmt::arg("experts_per_token", routing.experts_per_token), fmt::arg("layers", s.layers),
      fmt::arg("mtp_layers", s.mtp_layers), fmt::arg("q_lora_rank", s.q_lora_rank),
      fmt::arg("qk_nope_head_dim", s.qk_nope_head_dim), fmt::arg("qk_rope_head_dim", s.qk_rope_head_dim),
      fmt::arg("groups_per_token", routing.groups_per_token),
      fmt::arg("torch_dtype", s.dtype == Dtype::kF16 ? "float16" : "bfloat16"), fmt::arg("v_head_dim", s.v_head_dim),
      fmt::arg("vocab", s.vocab), fmt::arg("quantisation", QuantisationKeys(quantisation)));
}

std::string DescriptionJson(const DeepSeekShape& shape, const Quantisation& quantisation,
                            const std::vector<std::string_view>& names) {
  std::string type(QuantizeName(quantisation.kind));
  for (char& c : type) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string json = fmt::format("{{\n  \"model_quant_type\": \"{}\"", type);
  if (!quantisation.description_version.empty()) {
    const bool groups = quantisation.kind == CheckpointKind::kW4A8Group;
    fmt::format_to(std::back_inserter(json), ",\n  \"version\": \"{}\",\n  \"group_size\": {}",
                   quantisation.description_version, groups ? GroupSize(quantisation, shape) : 0);
  }
  for (const std::string_view name : names) {
    fmt::format_to(std::back_inserter(json), ",\n  \"{}\": \"{}\"", name, DescriptionOf(shape, quantisation, name));
  }
  if (quantisation.fa3) json += ",\n  \"fa_quant_type\": \"FAKQuant\"";
  json += "\n}";
  return json;
}

std::string GenerationConfigJson(const DeepSeekShape& shape) {
  return fmt::format(R"({{
  "_from_model_config": true,
  "bos_token_id": 0,
  "eos_token_id": 1,
  "do_sample": true,
  "top_k": {},
  "temperature": 0.6,
  "top_p": 0.95
}}
)",
                     std::min<std::uint64_t>(20, shape.vocab));
}

std::vector<TextFile> CompanionFiles(const DeepSeekShape& shape) {
  return {
      {"README.md", "# A synthetic checkpoint: DeepSeek-V3's tensors with random values\n"},
      {"configuration.json", R"({"framework": "pytorch", "task": "text-generation"})"},
      {"configuration_deepseek.py", "# synthetic: stands for the model's configuration class\n"},
      {"generation_config.json", GenerationConfigJson(shape)},
      {"modeling_deepseek.py", "# synthetic: stands for the model's code\n"},
      {"tokenizer.json", "{\n  \"version\": \"1.0\",\n  \"model\": {\n    \"type\": \"BPE\"\n  }\n}\n"},
      {"tokenizer_config.json", "{\n  \"tokenizer_class\": \"LlamaTokenizerFast\",\n  \"bos_token\": \"<s>\"\n}\n"},
  };
}

std::string IndexJson(const std::vector<std::pair<std::string_view, std::string_view>>& weight_map,
                      std::uint64_t total_size) {
  std::string json =
      fmt::format("{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{", total_size);
  // Names are DeepSeek's own: letters, digits, '.', '_' and '-', nothing that JSON would have escaped.
  const char* separator = "\n";
  for (const auto& [tensor, file] : weight_map) {
    fmt::format_to(std::back_inserter(json), "{}    \"{}\": \"{}\"", separator, tensor, file);
    separator = ",\n";
  }
  json += "\n  }\n}\n";
  return json;
}

}  // namespace shardfs::tools
