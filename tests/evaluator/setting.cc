#include "evaluator/setting.h"

#include <set>

namespace shardfs::evaluator {
namespace {

void RefuseIf(bool condition, const std::string& what) {
  if (condition) throw Refused(what);
}

std::uint64_t Dimension(const JsonValue& config, const char* key) {
  const JsonValue* value = config.Find(key);
  RefuseIf(value == nullptr || !value->AsInt64() || *value->AsInt64() < 0, std::string("config.json has no ") + key);
  return static_cast<std::uint64_t>(*value->AsInt64());
}

std::optional<std::string> Text(const JsonValue& json, const char* key) {
  const JsonValue* value = json.Find(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(*value->AsString());
}

Dimensions ReadDimensions(const JsonValue& config) {
  Dimensions dims;
  dims.layers = Dimension(config, "num_hidden_layers");
  dims.first_moe_layer = Dimension(config, "first_k_dense_replace");
  dims.heads = Dimension(config, "num_attention_heads");
  dims.hidden = Dimension(config, "hidden_size");
  dims.nope = Dimension(config, "qk_nope_head_dim");
  dims.rope = Dimension(config, "qk_rope_head_dim");
  dims.v = Dimension(config, "v_head_dim");
  dims.kv_rank = Dimension(config, "kv_lora_rank");
  dims.q_rank = Dimension(config, "q_lora_rank");
  dims.dense_intermediate = Dimension(config, "intermediate_size");
  dims.expert_intermediate = Dimension(config, "moe_intermediate_size");
  dims.experts = Dimension(config, "n_routed_experts");
  dims.shared_experts = Dimension(config, "n_shared_experts");
  dims.vocabulary = Dimension(config, "vocab_size");
  return dims;
}

// Section 1: effective sizes, then the rejections in the reference's order.
Options EffectiveOptions(Options o) {
  RefuseIf(o.world < 1, "no world size");
  const bool tp_given = o.tp != -1;
  if (o.dp == -1) o.dp = 1;
  if (o.tp == -1) o.tp = o.world;
  if (o.moe_tp == -1) o.moe_tp = tp_given ? o.tp : o.world;
  if (o.moe_ep == -1) o.moe_ep = 1;
  if (o.sp == -1) o.sp = 1;
  if (o.cp == -1) o.cp = 1;
  RefuseIf(o.world % o.nodes != 0, "the world size is no multiple of the nodes");
  const std::int64_t local = o.world / o.nodes;
  RefuseIf(o.cp != 1 && o.dp != 1, "cp and dp");
  RefuseIf(o.tp * o.cp * o.dp != o.world, "tp * cp * dp is not the world size");
  RefuseIf(o.tp > local && o.tp != o.world, "tp is larger than a node");
  if (o.moe_ep > 1) {
    RefuseIf(o.moe_ep * o.moe_tp != o.world, "moe_ep * moe_tp is not the world size");
    RefuseIf(o.moe_tp > local && o.moe_tp != o.world, "moe_tp is larger than a node");
  } else {
    RefuseIf(o.moe_tp != o.world, "moe_tp is not the world size");
  }
  RefuseIf(o.sp > 1 && o.sp != o.tp, "sp is not tp");
  RefuseIf(o.dense_mlp_local_tp > 1 && o.world % o.dense_mlp_local_tp != 0, "dense_mlp_local_tp and the world size");
  RefuseIf(o.ep_level != 1 && o.ep_level != 2, "ep_level is neither 1 nor 2");
  return o;
}

// config.json's quantization_config updated by the description; config.json's fa_quant_type wins (section 5).
JsonValue MergedQuantizationConfig(const SourceDirectory& source) {
  JsonValue merged = JsonValue::Object({});
  const JsonValue* own = source.config.Find("quantization_config");
  if (own != nullptr && own->is_object()) merged = *own;
  if (source.description) {
    for (const auto& [key, value] : source.description->members()) merged = merged.WithMember(key, value);
  }
  const JsonValue* wins = own == nullptr ? nullptr : own->Find("fa_quant_type");
  return wins == nullptr ? merged : merged.WithMember("fa_quant_type", *wins);
}

void RefuseLosses(const Setting& s) {
  const auto tp = static_cast<std::uint64_t>(s.options.tp);
  RefuseIf(s.dims.heads % tp != 0, "the heads are no multiple of tp");
  RefuseIf(s.dims.hidden % tp != 0, "the hidden size is no multiple of tp: columns of the embedding would be lost");
  RefuseIf(s.dims.experts % static_cast<std::uint64_t>(s.options.moe_ep) != 0, "experts would be lost");
  if (s.loader()) return;
  for (std::uint64_t layer = 0; layer < s.all_layers() && layer <= 2; ++layer) {
    RefuseIf(s.is_moe(layer), "a MoE layer with an index below 3 shares a dense folder");
  }
  RefuseIf(s.options.dense_mlp_local_tp > 1, "dense_mlp_local_tp: ranks that differ share a dense folder");
}

}  // namespace

std::string Setting::expert_quantize(std::uint64_t layer) const {
  const bool mtp_layer = layer == dims.layers;
  if (moe_quantize && !(mtp_layer && has_mtp_quantize)) return *moe_quantize;
  return quantize.value_or("");
}

Setting MakeSetting(const SourceDirectory& source, const Options& options) {
  Setting s;
  s.source = &source;
  s.options = EffectiveOptions(options);
  s.dims = ReadDimensions(source.config);
  const std::optional<std::string> dtype = Text(source.config, "torch_dtype");
  RefuseIf(dtype != "bfloat16" && dtype != "float16", "torch_dtype is neither bfloat16 nor float16");
  s.dtype = dtype == "bfloat16" ? Dtype::kBF16 : Dtype::kF16;
  s.quantize = Text(source.config, "quantize");
  s.mla_quantize = Text(source.config, "mla_quantize");
  s.moe_quantize = Text(source.config, "moe_quantize");
  const JsonValue* mtp_quantize = source.config.Find("mtp_quantize");
  s.has_mtp_quantize = mtp_quantize != nullptr && !mtp_quantize->is_null();
  const std::set<std::string> supported = {"w8a8", "w8a16", "w8a8_dynamic", "w4a8_dynamic"};
  for (const auto& quantize : {s.quantize, s.mla_quantize, s.moe_quantize}) {
    RefuseIf(quantize && !supported.contains(*quantize), "quantize is none of the supported kinds");
  }
  s.quantization_config = MergedQuantizationConfig(source);
  const std::optional<std::string> fa = Text(s.quantization_config, "fa_quant_type");
  s.fa3 = fa == "FAQuant" || fa == "FAKQuant";
  RefuseIf(Text(source.config, "topk_method").value_or("noaux_tc") != "noaux_tc", "topk_method is not noaux_tc");
  RefuseLosses(s);
  return s;
}

Rank MakeRank(const Setting& setting, std::uint64_t rank) {
  const Options& o = setting.options;
  const auto world = static_cast<std::uint64_t>(o.world);
  const auto tp = static_cast<std::uint64_t>(o.tp);
  const auto moe_tp = static_cast<std::uint64_t>(o.moe_tp);
  const auto moe_ep = static_cast<std::uint64_t>(o.moe_ep);
  const bool several_attention_groups = o.dp > 1 || o.cp > 1;
  Rank r;
  r.rank = rank;
  r.attn_tp = rank % tp;
  r.moe_tp = rank % moe_tp;
  r.moe_ep = rank / (world / moe_ep);
  r.attention = {tp, r.attn_tp};
  r.dense = r.attention;
  if (o.dense_mlp_local_tp > 1) {
    const auto local_tp = static_cast<std::uint64_t>(o.dense_mlp_local_tp);
    r.dense = {local_tp, rank % local_tp};
  }
  r.routed = {moe_tp, r.moe_tp};
  r.shared = {world, rank};
  if (o.ep_level == 2 && moe_ep > 1) r.shared = {moe_tp, r.moe_tp};
  if (o.enable_shared_expert_dp && o.ep_level == 1 && moe_ep > 1 && several_attention_groups) r.shared = {1, 0};
  r.lm_head = o.dp_partition_up ? Split{tp, r.attn_tp} : Split{world, rank};

  const std::uint64_t experts = setting.dims.experts;
  const std::uint64_t per_rank = experts / moe_ep;
  const std::uint64_t first = r.moe_ep * per_rank;
  for (std::uint64_t e = first; e < first + per_rank; ++e) r.experts.push_back(e);
  const bool rotated =
      !setting.loader() && moe_ep > 1 && o.ep_level == 1 && !(o.enable_gating_dp && several_attention_groups);
  for (std::uint64_t row = 0; row < experts; ++row) r.router_rows.push_back(rotated ? (first + row) % experts : row);
  return r;
}

}  // namespace shardfs::evaluator
