#include "tools/deepseek_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

#include "tools/checkpoint_tensors.h"
#include "tools/families.h"

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

// Adds the keys that say how the checkpoint is quantised.
void SetQuantisation(const Quantisation& quantisation, ModelConfig& config) {
  if (quantisation.kind == CheckpointKind::kFp8Block) {
    config.InsertBefore("rms_norm_eps", "quantization_config", R"({
    "activation_scheme": "dynamic",
    "fmt": "e4m3",
    "quant_method": "fp8",
    "weight_block_size": [
      128,
      128
    ]
  })");
    return;
  }
  const std::string_view quantize = QuantizeName(quantisation.kind);
  if (quantize.empty()) return;
  config.Set("quantize", fmt::format("\"{}\"", quantize));
  if (AttentionKind(quantisation.kind) != MlpKind(quantisation.kind)) config.Set("mla_quantize", R"("w8a8")");
  if (ExpertKind(quantisation.kind) == WeightKind::kW4A8Dynamic) config.Set("moe_quantize", R"("w4a8_dynamic")");
  if (quantisation.quantised_mtp && quantize == "w8a8_dynamic") config.Set("mtp_quantize", R"("w8a8_dynamic")");
  if (quantisation.fa3) config.Set("quantization_config", "{\n    \"fa_quant_type\": \"FAKQuant\"\n  }");
}

// The description's value for one tensor.
std::string_view DescriptionOf(const DeepSeekShape& shape, const Quantisation& quantisation, std::string_view name) {
  const auto contains = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (contains(".fa_q.") || contains(".fa_k.") || contains(".fa_v.")) return "FAQuant";
  if (contains("layernorm.module.")) return WeightKindName(AttentionKind(quantisation.kind));
  return WeightKindName(KindOfTensor(quantisation, shape.layers, name));
}

}  // namespace

Model DeepSeekModel(const DeepSeekShape& s, const Quantisation& quantisation) {
  Model model;
  model.family = FindFamily("deepseek-v3");
  model.config = ModelConfig(model.family->config);
  const Routing routing = RoutingOf(s.experts);
  const std::pair<std::string_view, std::uint64_t> numbers[] = {
      {"first_k_dense_replace", s.first_k_dense},
      {"hidden_size", s.hidden},
      {"intermediate_size", s.intermediate},
      {"kv_lora_rank", s.kv_lora_rank},
      {"moe_intermediate_size", s.moe_intermediate},
      {"n_group", routing.groups},
      {"n_routed_experts", s.experts},
      {"n_shared_experts", s.shared_experts},
      {"num_attention_heads", s.heads},
      {"num_experts_per_tok", routing.experts_per_token},
      {"num_hidden_layers", s.layers},
      {"num_key_value_heads", s.heads},
      {"num_nextn_predict_layers", s.mtp_layers},
      {"q_lora_rank", s.q_lora_rank},
      {"qk_nope_head_dim", s.qk_nope_head_dim},
      {"qk_rope_head_dim", s.qk_rope_head_dim},
      {"topk_group", routing.groups_per_token},
      {"v_head_dim", s.v_head_dim},
      {"vocab_size", s.vocab},
  };
  for (const auto& [key, value] : numbers) model.config.Set(key, value);
  model.config.SetTorchDtype(s.dtype);
  SetQuantisation(quantisation, model.config);
  return model;
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

}  // namespace shardfs::tools
