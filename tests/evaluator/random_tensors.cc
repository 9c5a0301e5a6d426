// The tensors of a random case, and the description that fits them.
#include "evaluator/random_case.h"
#include "evaluator/state_dict.h"

namespace shardfs::evaluator {
namespace {

const std::map<std::string, std::string> kDescribed = {
    {"w8a8", "W8A8"}, {"w8a16", "W8A16"}, {"w8a8_dynamic", "W8A8_DYNAMIC"}, {"w4a8_dynamic", "W4A8_DYNAMIC"}};

struct TensorMaker {
  RandomNumbers* random;
  RandomCase* c;
  bool per_group = false;

  void Add(const std::string& name, Array array, const std::string& described) {
    c->tensors[name] = std::move(array);
    c->description.emplace_back(name, JsonValue::String(described));
  }

  // Mostly of the model's dtype.
  Dtype FloatDtype() {
    if (random->Chance(85)) return c->dtype;
    return random->OneOf<Dtype>({Dtype::kF32, Dtype::kBF16, Dtype::kF16});
  }

  void AddFloat(const std::string& name, Sizes shape) {
    Add(name, random->Floats(FloatDtype(), std::move(shape), -2, 2), "FLOAT");
  }

  void AddNorm(const std::string& name, std::uint64_t size, bool with_module) {
    AddFloat(name + ".weight", {size});
    if (c->quantize && random->Chance(30)) AddFloat(name + ".bias", {size});
    if (!with_module) return;
    Add(name + ".module.weight", random->Floats(c->dtype, {size}, -2, 2), "W8A8");
    Add(name + ".module.bias", random->Floats(c->dtype, {size}, -2, 2), "W8A8");
  }

  struct StaticScales {
    Array input_scale;
    Array input_offset;
    bool deq_is_int64 = false;
    bool with_weight_scale = false;
  };

  StaticScales ChooseStaticScales() {
    const Array offset = random->Floats(c->dtype, {1}, -100, 100);
    Array whole = Map(offset, c->dtype, [](double value) { return static_cast<double>(static_cast<int>(value)); });
    return {random->Floats(random->Chance(70) ? c->dtype : Dtype::kF32, {1}, 0.1, 2),
            random->Chance(50) ? std::move(whole) : random->Int8s({1}),
            random->Chance(c->dtype == Dtype::kF16 ? 60 : 5), random->Chance(30)};
  }

  void AddW8A8(const std::string& prefix, std::uint64_t rows, const StaticScales& scales) {
    Add(prefix + ".input_scale", scales.input_scale, "W8A8");
    Add(prefix + ".input_offset", scales.input_offset, "W8A8");
    Add(prefix + ".quant_bias", random->Int32s({rows}), "W8A8");
    Add(prefix + ".deq_scale",
        scales.deq_is_int64 ? random->Int64s({rows}) : random->Floats(Dtype::kF32, {rows}, -0.01, 0.01), "W8A8");
    if (scales.with_weight_scale) AddScaleAndOffset(prefix, "", rows, 1, "W8A8");
  }

  void AddScaleAndOffset(const std::string& prefix, const std::string& suffix, std::uint64_t rows,
                         std::uint64_t columns, const std::string& kind) {
    const Dtype dtype = random->Chance(80) ? Dtype::kF32 : c->dtype;
    Add(prefix + ".weight_scale" + suffix, random->Floats(dtype, {rows, columns}, 0.001, 2), kind);
    const Sizes shape = {rows, columns};
    Add(prefix + ".weight_offset" + suffix,
        random->Chance(30) ? Zeros(dtype, shape) : random->Floats(dtype, shape, -5, 5), kind);
  }

  // `groups`: columns of weight_scale_second; `addends`: columns of scale_bias.
  void AddW4A8(const std::string& prefix, std::uint64_t rows, std::uint64_t groups, std::uint64_t addends) {
    AddScaleAndOffset(prefix, "", rows, 1, "W4A8_DYNAMIC");
    Add(prefix + ".scale_bias", random->Floats(Dtype::kF32, {rows, addends}, -3, 3), "W4A8_DYNAMIC");
    if (per_group) AddScaleAndOffset(prefix, "_second", rows, groups, "W4A8_DYNAMIC");
  }

  // `quantize`: how; nothing for float.
  void AddLinear(const std::string& prefix, std::uint64_t rows, std::uint64_t columns,
                 const std::optional<std::string>& quantize, const StaticScales& scales, std::uint64_t groups = 1,
                 std::uint64_t addends = 1) {
    if (!quantize) return AddFloat(prefix + ".weight", {rows, columns});
    const std::string kind = kDescribed.at(*quantize);
    const bool packed = *quantize == "w4a8_dynamic";
    Add(prefix + ".weight", random->Int8s({packed ? rows / 2 : rows, columns}), kind);
    if (*quantize == "w8a8") return AddW8A8(prefix, rows, scales);
    if (packed) return AddW4A8(prefix, rows, groups, addends);
    AddScaleAndOffset(prefix, "", rows, 1, kind);
  }

  void AddAttention(std::uint64_t layer, const std::optional<std::string>& quantize, bool with_module) {
    const Dimensions& d = c->dims;
    const std::string prefix = LayerPrefix(layer) + ".self_attn.";
    const auto add = [&](const char* name, std::uint64_t rows, std::uint64_t columns) {
      AddLinear(prefix + name, rows, columns, random->Chance(90) ? quantize : std::nullopt, ChooseStaticScales());
    };
    add("q_a_proj", d.q_rank, d.hidden);
    AddNorm(prefix + "q_a_layernorm", d.q_rank, with_module);
    add("q_b_proj", d.heads * (d.nope + d.rope), d.q_rank);
    add("kv_a_proj_with_mqa", d.kv_rank + d.rope, d.hidden);
    AddFloat(prefix + "kv_a_layernorm.weight", {d.kv_rank});
    AddFloat(prefix + "kv_b_proj.weight", {d.heads * (d.nope + d.v), d.kv_rank});
    add("o_proj", d.hidden, d.heads * d.v);
    if (!c->fa_quant_type || random->Chance(30)) return;
    for (const char* name : {"fa_q", "fa_k", "fa_v"}) {
      const std::uint64_t rows = std::string(name) == "fa_q" ? d.heads : 1;
      Add(prefix + name + ".scale", random->Floats(c->dtype, {rows, 1}, 0.3, 2), "FAQuant");
      Add(prefix + name + ".offset", Zeros(c->dtype, {rows, 1}), "FAQuant");
    }
  }

  void AddMlp(const std::string& prefix, std::uint64_t intermediate, const std::optional<std::string>& gate_up,
              const std::optional<std::string>& down, const StaticScales& scales, std::uint64_t down_groups = 1) {
    AddLinear(prefix + ".gate_proj", intermediate, c->dims.hidden, gate_up, scales, 3, 1);
    AddLinear(prefix + ".up_proj", intermediate, c->dims.hidden, gate_up, scales, 3, 1);
    AddLinear(prefix + ".down_proj", c->dims.hidden, intermediate, down, scales, down_groups, 16);
  }

  void AddExperts(std::uint64_t layer, const std::optional<std::string>& quantize) {
    const std::string mlp = LayerPrefix(layer) + ".mlp";
    AddFloat(mlp + ".gate.weight", {c->dims.experts, c->dims.hidden});
    const Dtype dtype = random->Chance(70) ? Dtype::kF32 : FloatDtype();
    Add(mlp + ".gate.e_score_correction_bias", random->Floats(dtype, {c->dims.experts}, -4, 4), "FLOAT");
    const std::optional<std::string> gate_up = random->Chance(95) ? quantize : std::nullopt;
    const std::optional<std::string> down = random->Chance(95) ? quantize : std::nullopt;
    const StaticScales alike = ChooseStaticScales();
    const std::uint64_t groups = static_cast<std::uint64_t>(c->effective.moe_tp) * random->Between(1, 2);
    for (std::uint64_t e = 0; e < c->dims.experts; ++e) {
      StaticScales scales = ChooseStaticScales();
      scales.deq_is_int64 = alike.deq_is_int64;
      AddMlp(mlp + ".experts." + std::to_string(e), c->dims.expert_intermediate, gate_up, down, scales, groups);
    }
  }

  void AddLayer(std::uint64_t layer, bool may_quantise, bool anti) {
    const bool moe = layer >= c->dims.first_moe_layer;
    const bool mtp_layer = layer == c->dims.layers;
    const auto maybe = [&](const std::optional<std::string>& quantize) {
      return may_quantise && random->Chance(90) ? quantize : std::nullopt;
    };
    const std::optional<std::string> attention = maybe(c->mla_quantize ? c->mla_quantize : c->quantize);
    const bool module = anti && random->Chance(80);
    AddAttention(layer, attention, module);
    AddNorm(LayerPrefix(layer) + ".input_layernorm", c->dims.hidden, module);
    AddNorm(LayerPrefix(layer) + ".post_attention_layernorm", c->dims.hidden, anti && random->Chance(60));
    const std::string mlp = LayerPrefix(layer) + ".mlp";
    const std::optional<std::string> dense = maybe(c->quantize);
    if (!moe) return AddMlp(mlp, c->dims.dense_intermediate, dense, dense, ChooseStaticScales());
    const bool own = c->moe_quantize && !(mtp_layer && c->mtp_quantize);
    AddExperts(layer, maybe(own ? c->moe_quantize : c->quantize));
    AddMlp(mlp + ".shared_experts", c->dims.expert_intermediate * c->dims.shared_experts, dense, dense,
           ChooseStaticScales());
  }

  void AddMtp(bool may_quantise, bool anti) {
    const std::string prefix = LayerPrefix(c->dims.layers);
    const std::uint64_t hidden = c->dims.hidden;
    AddFloat(prefix + ".enorm.weight", {hidden});
    AddFloat(prefix + ".hnorm.weight", {hidden});
    AddFloat(prefix + ".eh_proj.weight", {hidden, 2 * hidden});
    AddFloat(prefix + ".shared_head.norm.weight", {hidden});
    if (random->Chance(70)) AddFloat(prefix + ".embed_tokens.weight", {c->dims.vocabulary, hidden});
    if (random->Chance(70)) AddFloat(prefix + ".shared_head.head.weight", {c->dims.vocabulary, hidden});
    AddLayer(c->dims.layers, may_quantise, anti);
  }
};

}  // namespace

void MakeTensors(RandomNumbers* random, RandomCase* c) {
  if (random->Chance(60)) c->description.emplace_back("model_quant_type", JsonValue::String("W8A8"));
  if (random->Chance(60))
    c->description.emplace_back("version", JsonValue::String(random->OneOf<std::string>({"0.0.0", "1.0.0"})));
  const std::uint64_t group = random->Between(0, 2);
  if (group != 0) c->description.emplace_back("group_size", JsonValue::Integer(group == 1 ? 0 : 32));
  if (random->Chance(20)) c->description.emplace_back("kv_quant_type", JsonValue::String("C8"));
  TensorMaker maker{random, c, group != 1};
  const bool anti = c->quantize && random->Chance(25);
  maker.AddFloat("model.embed_tokens.weight", {c->dims.vocabulary, c->dims.hidden});
  for (std::uint64_t layer = 0; layer < c->dims.layers; ++layer) maker.AddLayer(layer, true, anti);
  if (c->has_mtp_layer) maker.AddMtp(random->Chance(50), anti);
  maker.AddFloat("model.norm.weight", {c->dims.hidden});
  maker.AddFloat("lm_head.weight", {c->dims.vocabulary, c->dims.hidden});
  if (c->fa_quant_type && !c->fa_in_config) {
    c->description.emplace_back("fa_quant_type", JsonValue::String(*c->fa_quant_type));
  }
}

}  // namespace shardfs::evaluator
