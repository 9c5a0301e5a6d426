#include "tools/checkpoint_tensors.h"

#include <string>
#include <string_view>
#include <utility>

namespace shardfs::tools {
namespace {

// Row-parallel linears have this many columns in their scale_bias, for the tensor-parallel ranks to share out.
constexpr std::uint64_t kScaleBiasColumns = 16;

// Puts the list together, module by module.
class TensorList {
 public:
  TensorList(const DeepSeekShape& shape, const Quantisation& quantisation)
      : s_(shape), q_(quantisation), group_size_(GroupSize(quantisation, shape)) {}

  void Add(std::string name, Shape shape) { Add(std::move(name), s_.dtype, std::move(shape)); }
  void Add(std::string name, Dtype dtype, Shape shape) {
    tensors_.push_back({std::move(name), dtype, std::move(shape)});
  }

  void AddDecoderLayer(const std::string& prefix, bool moe) {
    const WeightKind attention = KindOf(prefix + "self_attn.o_proj.weight");
    const WeightKind mlp = KindOf(prefix + (moe ? "mlp.shared_experts." : "mlp.") + "down_proj.weight");
    AddAttention(prefix + "self_attn.", attention);
    AddNorm(prefix + "input_layernorm", s_.hidden, attention);
    AddNorm(prefix + "post_attention_layernorm", s_.hidden, mlp);
    if (q_.norms == NormStyle::kAnti) AddAntiNorms(prefix, attention, mlp);
    if (moe) {
      AddMoe(prefix + "mlp.");
    } else {
      AddMlp(prefix + "mlp.", s_.intermediate);
    }
  }

  void AddMtpLayer(const std::string& prefix) {
    Add(prefix + "embed_tokens.weight", {s_.vocab, s_.hidden});
    Add(prefix + "enorm.weight", {s_.hidden});
    Add(prefix + "hnorm.weight", {s_.hidden});
    Add(prefix + "eh_proj.weight", {s_.hidden, 2 * s_.hidden});
    AddDecoderLayer(prefix, /*moe=*/true);
    Add(prefix + "shared_head.norm.weight", {s_.hidden});
    Add(prefix + "shared_head.head.weight", {s_.vocab, s_.hidden});
  }

  std::vector<NewTensor> Take() && { return std::move(tensors_); }

 private:
  WeightKind KindOf(std::string_view tensor) const { return KindOfTensor(q_, s_.layers, tensor); }

  // A weight of `rows` outputs and `columns` inputs, and its companions; `name` ends with "_proj".
  void AddLinear(const std::string& name, std::uint64_t rows, std::uint64_t columns, bool row_parallel = false) {
    const WeightKind kind = KindOf(name + ".weight");
    switch (kind) {
      case WeightKind::kFloat:
        return Add(name + ".weight", {rows, columns});
      case WeightKind::kW8A8: {
        Add(name + ".weight", Dtype::kI8, {rows, columns});
        Add(name + ".input_scale", {1});
        Add(name + ".input_offset", {1});
        Add(name + ".quant_bias", Dtype::kI32, {rows});
        const Dtype native = s_.dtype == Dtype::kF16 ? Dtype::kI64 : Dtype::kF32;
        return Add(name + ".deq_scale", q_.deq_scale.value_or(native), {rows});
      }
      case WeightKind::kW8A8Dynamic:
      case WeightKind::kW8A16:
        Add(name + ".weight", Dtype::kI8, {rows, columns});
        Add(name + ".weight_scale", Dtype::kF32, {rows, 1});
        return Add(name + ".weight_offset", Dtype::kF32, {rows, 1});
      case WeightKind::kW4A8Dynamic:
        Add(name + ".weight", Dtype::kI8, {rows / 2, columns});  // two outputs to a byte
        Add(name + ".weight_scale", Dtype::kF32, {rows, 1});
        Add(name + ".weight_offset", Dtype::kF32, {rows, 1});
        if (q_.kind == CheckpointKind::kW4A8Group) {
          Add(name + ".weight_scale_second", Dtype::kF32, {rows, columns / group_size_});
          Add(name + ".weight_offset_second", Dtype::kF32, {rows, columns / group_size_});
        }
        return Add(name + ".scale_bias", Dtype::kF32, {rows, row_parallel ? kScaleBiasColumns : 1});
    }
  }

  // `kind` is that of the linears behind the norm.
  void AddNorm(const std::string& name, std::uint64_t size, WeightKind kind) {
    Add(name + ".weight", {size});
    if (q_.norms == NormStyle::kBiased && kind == WeightKind::kW8A8) Add(name + ".bias", {size});
  }

  void AddAntiNorms(const std::string& prefix, WeightKind attention, WeightKind mlp) {
    const auto add = [&](const std::string& norm, std::uint64_t size, WeightKind kind) {
      if (kind != WeightKind::kW8A8 && kind != WeightKind::kW8A16) return;
      Add(prefix + norm + ".module.weight", {size});
      Add(prefix + norm + ".module.bias", {size});
    };
    add("input_layernorm", s_.hidden, attention);
    add("self_attn.q_a_layernorm", s_.q_lora_rank, attention);
    add("post_attention_layernorm", s_.hidden, mlp);
  }

  void AddAttention(const std::string& prefix, WeightKind kind) {
    AddLinear(prefix + "q_a_proj", s_.q_lora_rank, s_.hidden);
    AddNorm(prefix + "q_a_layernorm", s_.q_lora_rank, kind);
    AddLinear(prefix + "q_b_proj", s_.heads * (s_.qk_nope_head_dim + s_.qk_rope_head_dim), s_.q_lora_rank);
    AddLinear(prefix + "kv_a_proj_with_mqa", s_.kv_lora_rank + s_.qk_rope_head_dim, s_.hidden);
    Add(prefix + "kv_a_layernorm.weight", {s_.kv_lora_rank});
    AddLinear(prefix + "kv_b_proj", s_.heads * (s_.qk_nope_head_dim + s_.v_head_dim), s_.kv_lora_rank);
    AddLinear(prefix + "o_proj", s_.hidden, s_.heads * s_.v_head_dim, /*row_parallel=*/true);
    if (!q_.fa3 || kind == WeightKind::kFloat) return;
    for (const auto& [module, rows] : {std::pair("fa_q", s_.heads), {"fa_k", 1}, {"fa_v", 1}}) {
      Add(prefix + module + ".scale", {rows, 1});
      Add(prefix + module + ".offset", {rows, 1});
    }
  }

  void AddMlp(const std::string& prefix, std::uint64_t intermediate) {
    AddLinear(prefix + "gate_proj", intermediate, s_.hidden);
    AddLinear(prefix + "up_proj", intermediate, s_.hidden);
    AddLinear(prefix + "down_proj", s_.hidden, intermediate, /*row_parallel=*/true);
  }

  void AddMoe(const std::string& prefix) {
    Add(prefix + "gate.weight", {s_.experts, s_.hidden});
    Add(prefix + "gate.e_score_correction_bias", Dtype::kF32, {s_.experts});
    for (std::uint64_t expert = 0; expert < s_.experts; ++expert) {
      AddMlp(prefix + "experts." + std::to_string(expert) + ".", s_.moe_intermediate);
    }
    if (s_.shared_experts > 0) AddMlp(prefix + "shared_experts.", s_.shared_experts * s_.moe_intermediate);
  }

  const DeepSeekShape& s_;
  const Quantisation& q_;
  std::uint64_t group_size_;
  std::vector<NewTensor> tensors_;
};

std::string LayerPrefix(std::uint64_t layer) { return "model.layers." + std::to_string(layer) + "."; }

Status ValidateFourBits(const Quantisation& quantisation, const DeepSeekShape& shape) {
  if (shape.hidden % 2 != 0 || shape.moe_intermediate % 2 != 0) {
    return Status::InvalidArgument("hidden is " + std::to_string(shape.hidden) + " and moe_intermediate " +
                                   std::to_string(shape.moe_intermediate) +
                                   ", and W4A8 keeps two outputs in a byte: give even sizes");
  }
  if (quantisation.kind == CheckpointKind::kW4A8 && quantisation.description_version.empty()) {
    return Status::InvalidArgument(
        "the description has no version and thus no group_size, and W4A8 with a scale to a channel says group_size 0: "
        "give a version");
  }
  const std::uint64_t group = GroupSize(quantisation, shape);
  if (shape.hidden % group != 0 || shape.moe_intermediate % group != 0) {
    return Status::InvalidArgument("a group of " + std::to_string(group) + " inputs divides not both hidden " +
                                   std::to_string(shape.hidden) + " and moe_intermediate " +
                                   std::to_string(shape.moe_intermediate) + ": give another size");
  }
  return Status::Ok();
}

}  // namespace

std::uint64_t GroupSize(const Quantisation& quantisation, const DeepSeekShape& shape) {
  if (quantisation.group_size > 0) return quantisation.group_size;
  std::uint64_t group = 256;
  while (group > 1 && (shape.hidden % (2 * group) != 0 || shape.moe_intermediate % (2 * group) != 0)) group /= 2;
  return group;
}

Status ValidateQuantisation(const Quantisation& quantisation, const DeepSeekShape& shape) {
  const WeightKind attention = AttentionKind(quantisation.kind);
  if (quantisation.fa3 && attention == WeightKind::kFloat) {
    return Status::InvalidArgument("FA3 scales are asked for and the attention is FLOAT: give a quantised kind");
  }
  if (quantisation.norms == NormStyle::kBiased && attention != WeightKind::kW8A8) {
    return Status::InvalidArgument("norm biases are asked for and the attention is " +
                                   std::string(WeightKindName(attention)) + ": they come with W8A8 alone");
  }
  if (quantisation.norms == NormStyle::kAnti && attention != WeightKind::kW8A8 && attention != WeightKind::kW8A16) {
    return Status::InvalidArgument("anti-outlier norms are asked for and the attention is " +
                                   std::string(WeightKindName(attention)) + ": they come with W8A8 and W8A16 alone");
  }
  if (quantisation.deq_scale && *quantisation.deq_scale != Dtype::kF32 && *quantisation.deq_scale != Dtype::kI64) {
    return Status::InvalidArgument("deq_scale is to be " + std::string(DtypeName(*quantisation.deq_scale)) +
                                   ": give F32 or I64");
  }
  if (ExpertKind(quantisation.kind) == WeightKind::kW4A8Dynamic) return ValidateFourBits(quantisation, shape);
  return Status::Ok();
}

std::vector<NewTensor> CheckpointTensors(const DeepSeekShape& shape, const Quantisation& quantisation) {
  TensorList list(shape, quantisation);
  list.Add("model.embed_tokens.weight", {shape.vocab, shape.hidden});
  for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
    list.AddDecoderLayer(LayerPrefix(layer), /*moe=*/layer >= shape.first_k_dense);
  }
  list.Add("model.norm.weight", {shape.hidden});
  list.Add("lm_head.weight", {shape.vocab, shape.hidden});
  for (std::uint64_t layer = 0; layer < shape.mtp_layers; ++layer) list.AddMtpLayer(LayerPrefix(shape.layers + layer));
  return std::move(list).Take();
}

std::vector<NewTensor> FloatTensors(const DeepSeekShape& shape) {
  const Quantisation none;
  return CheckpointTensors(shape, none);
}

}  // namespace shardfs::tools
