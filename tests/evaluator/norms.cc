// Norms: plain, with a bias, or the anti-outlier pair (spec/mindie-weight-sharder.md, section 3.6;
// mindie-loader-variant, rule 5).
#include <set>

#include "evaluator/state_dict.h"

namespace shardfs::evaluator {
namespace {

// Whether the description gives one of `linears` a value in `kinds`. Each of them must be described.
bool AnyDescribed(const Setting& setting, const std::vector<std::string>& linears, const std::set<std::string>& kinds) {
  bool any = false;
  for (const std::string& linear : linears) {
    const std::optional<std::string> kind = setting.source->Described(linear + ".weight");
    if (!kind) throw Refused("the description has no " + linear + ".weight");
    any = any || kinds.contains(*kind);
  }
  return any;
}

NormStyle StyleOf(const Setting& setting, const std::string& quantize, const std::vector<std::string>& linears,
                  const std::string& norm, bool may_be_anti) {
  if (quantize != "w8a8" && quantize != "w8a16") return NormStyle::kPlain;
  const bool anti = may_be_anti && setting.source->Described(norm + ".module.weight").has_value();
  if (quantize == "w8a16") {
    return anti && AnyDescribed(setting, linears, {"W8A16"}) ? NormStyle::kAnti : NormStyle::kPlain;
  }
  if (!AnyDescribed(setting, linears, {"W8A8", "W8A8S", "W8A8_MIX"})) return NormStyle::kPlain;
  return anti ? NormStyle::kAnti : NormStyle::kBiased;
}

void AddNorm(const Setting& setting, const std::string& norm, std::uint64_t size, NormStyle style, StateDict* state) {
  const auto read = [&](const std::string& suffix) {
    const std::string name = norm + suffix;
    return CastOnRead(setting, name, setting.source->Get(name, {size}));
  };
  const auto add = [&](const std::string& suffix, Array array) {
    state->push_back({norm + suffix, std::move(array), std::nullopt, std::nullopt});
  };
  if (style == NormStyle::kAnti) {
    add(setting.loader() ? ".weight" : ".ori.weight", read(".weight"));
    add(setting.loader() ? ".module.weight" : ".anti.weight", read(".module.weight"));
    add(setting.loader() ? ".module.bias" : ".anti.bias", read(".module.bias"));
    return;
  }
  add(".weight", read(".weight"));
  if (style != NormStyle::kBiased) return;
  add(".bias", setting.source->Has(norm + ".bias") ? read(".bias") : Zeros(setting.dtype, {size}));
}

}  // namespace

NormStyle AttentionNormStyle(const Setting& setting, std::uint64_t layer) {
  const std::string prefix = LayerPrefix(layer);
  std::vector<std::string> linears;
  for (const char* name : {"q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"}) {
    linears.push_back(prefix + ".self_attn." + name);
  }
  return StyleOf(setting, setting.attention_quantize(), linears, prefix + ".input_layernorm", true);
}

NormStyle MlpNormStyle(const Setting& setting, std::uint64_t layer) {
  const std::string prefix = LayerPrefix(layer);
  const bool moe = setting.is_moe(layer);
  if (moe && setting.dims.shared_experts == 0) return NormStyle::kPlain;
  const std::string mlp = prefix + (moe ? ".mlp.shared_experts" : ".mlp");
  return StyleOf(setting, setting.dense_quantize(), {mlp + ".gate_proj", mlp + ".up_proj"},
                 prefix + ".post_attention_layernorm", !moe);
}

void AddInputNorm(const Setting& setting, std::uint64_t layer, StateDict* state) {
  AddNorm(setting, LayerPrefix(layer) + ".input_layernorm", setting.dims.hidden, AttentionNormStyle(setting, layer),
          state);
}

void AddQueryNorm(const Setting& setting, std::uint64_t layer, StateDict* state) {
  const bool biased = AttentionNormStyle(setting, layer) == NormStyle::kBiased;
  AddNorm(setting, LayerPrefix(layer) + ".self_attn.q_a_layernorm", setting.dims.q_rank,
          biased ? NormStyle::kBiased : NormStyle::kPlain, state);
}

void AddPostAttentionNorm(const Setting& setting, std::uint64_t layer, StateDict* state) {
  AddNorm(setting, LayerPrefix(layer) + ".post_attention_layernorm", setting.dims.hidden, MlpNormStyle(setting, layer),
          state);
}

}  // namespace shardfs::evaluator
