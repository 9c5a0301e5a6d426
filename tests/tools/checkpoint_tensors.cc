#include "tools/checkpoint_tensors.h"

#include <string>
#include <string_view>
#include <utility>

#include "tools/deepseek_config.h"
#include "tools/family.h"

namespace shardfs::tools {
namespace {

// Row-parallel linears have this many columns in their scale_bias, for the tensor-parallel ranks to share out.
constexpr std::uint64_t kScaleBiasColumns = 16;

// Puts the list of a quantised checkpoint together: each float tensor is followed by its companions, or replaced by the
// quantised weight and its companions.
class QuantisedList {
 public:
  QuantisedList(const DeepSeekShape& shape, const Quantisation& quantisation)
      : s_(shape), q_(quantisation), group_size_(GroupSize(quantisation, shape)) {}

  void Add(NewTensor tensor) {
    const std::string name = tensor.name;
    if (KindOf(name) != WeightKind::kFloat) {
      AddLinear(name.substr(0, name.size() - kWeight.size()), tensor.shape[0], tensor.shape[1]);
      if (name.ends_with(".o_proj.weight")) AddFa3(name);
      return;
    }
    tensors_.push_back(std::move(tensor));
    if (name.ends_with("layernorm.weight")) AddNormCompanions(name);
  }

  std::vector<NewTensor> Take() && { return std::move(tensors_); }

 private:
  static constexpr std::string_view kWeight = ".weight";

  WeightKind KindOf(std::string_view tensor) const { return KindOfTensor(q_, s_.layers, tensor); }

  void Push(std::string name, Shape shape) { Push(std::move(name), s_.dtype, std::move(shape)); }
  void Push(std::string name, Dtype dtype, Shape shape) {
    tensors_.push_back({std::move(name), dtype, std::move(shape)});
  }

  // A weight of `rows` outputs and `columns` inputs, and its companions; `name` ends with "_proj".
  void AddLinear(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    switch (KindOf(name + ".weight")) {
      case WeightKind::kFloat:
        return;
      case WeightKind::kW8A8: {
        Push(name + ".weight", Dtype::kI8, {rows, columns});
        Push(name + ".input_scale", {1});
        Push(name + ".input_offset", {1});
        Push(name + ".quant_bias", Dtype::kI32, {rows});
        const Dtype native = s_.dtype == Dtype::kF16 ? Dtype::kI64 : Dtype::kF32;
        return Push(name + ".deq_scale", q_.deq_scale.value_or(native), {rows});
      }
      case WeightKind::kW8A8Dynamic:
      case WeightKind::kW8A16:
        Push(name + ".weight", Dtype::kI8, {rows, columns});
        Push(name + ".weight_scale", Dtype::kF32, {rows, 1});
        return Push(name + ".weight_offset", Dtype::kF32, {rows, 1});
      case WeightKind::kW4A8Dynamic:
        return AddFourBits(name, rows, columns);
      case WeightKind::kFp8Block:
        Push(name + ".weight", Dtype::kF8E4M3, {rows, columns});
        return Push(name + ".weight_scale_inv", Dtype::kF32, {Fp8Blocks(rows), Fp8Blocks(columns)});
    }
  }

  static std::uint64_t Fp8Blocks(std::uint64_t size) { return (size + kFp8BlockSize - 1) / kFp8BlockSize; }

  void AddFourBits(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    Push(name + ".weight", Dtype::kI8, {rows / 2, columns});  // two outputs to a byte
    Push(name + ".weight_scale", Dtype::kF32, {rows, 1});
    Push(name + ".weight_offset", Dtype::kF32, {rows, 1});
    if (q_.kind == CheckpointKind::kW4A8Group) {
      Push(name + ".weight_scale_second", Dtype::kF32, {rows, columns / group_size_});
      Push(name + ".weight_offset_second", Dtype::kF32, {rows, columns / group_size_});
    }
    const bool row_parallel = name.ends_with(".o_proj") || name.ends_with(".down_proj");
    Push(name + ".scale_bias", Dtype::kF32, {rows, row_parallel ? kScaleBiasColumns : 1});
  }

  void AddFa3(const std::string& o_proj) {
    if (!q_.fa3) return;
    const std::string prefix = o_proj.substr(0, o_proj.size() - std::string_view("o_proj.weight").size());
    for (const auto& [module, rows] : {std::pair("fa_q", s_.heads), {"fa_k", 1}, {"fa_v", 1}}) {
      Push(prefix + module + ".scale", {rows, 1});
      Push(prefix + module + ".offset", {rows, 1});
    }
  }

  // A norm's bias depends on the linears behind it: the attention's, or for post_attention_layernorm the MLP's. The
  // anti-outlier norms of a layer stand together, behind its last norm.
  void AddNormCompanions(const std::string& norm) {
    const std::string layer = norm.substr(0, norm.find('.', std::string_view("model.layers.").size()) + 1);
    const WeightKind attention = KindOf(layer + "self_attn.o_proj.weight");
    const WeightKind mlp = KindOf(layer + "mlp.down_proj.weight");
    const bool last = norm.ends_with(".post_attention_layernorm.weight");
    const WeightKind behind = last ? mlp : attention;
    if (q_.norms == NormStyle::kBiased && behind == WeightKind::kW8A8 && !norm.ends_with(".kv_a_layernorm.weight")) {
      Push(norm.substr(0, norm.size() - kWeight.size()) + ".bias", tensors_.back().shape);
    }
    if (q_.norms == NormStyle::kAnti && last) AddAntiNorms(layer, attention, mlp);
  }

  void AddAntiNorms(const std::string& prefix, WeightKind attention, WeightKind mlp) {
    const auto add = [&](const std::string& norm, std::uint64_t size, WeightKind kind) {
      if (kind != WeightKind::kW8A8 && kind != WeightKind::kW8A16) return;
      Push(prefix + norm + ".module.weight", {size});
      Push(prefix + norm + ".module.bias", {size});
    };
    add("input_layernorm", s_.hidden, attention);
    add("self_attn.q_a_layernorm", s_.q_lora_rank, attention);
    add("post_attention_layernorm", s_.hidden, mlp);
  }

  const DeepSeekShape& s_;
  const Quantisation& q_;
  std::uint64_t group_size_;
  std::vector<NewTensor> tensors_;
};

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
  if (quantisation.fa3 && QuantizeName(quantisation.kind).empty()) {
    return Status::InvalidArgument("FA3 scales are asked for and the attention is " +
                                   std::string(WeightKindName(attention)) + ": give a quantised kind");
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
  QuantisedList list(shape, quantisation);
  for (NewTensor& tensor : FloatTensors(shape)) list.Add(std::move(tensor));
  return std::move(list).Take();
}

std::vector<NewTensor> FloatTensors(const DeepSeekShape& shape) {
  return FamilyTensors(DeepSeekModel(shape)).value();  // a valid shape has tensors
}

}  // namespace shardfs::tools
