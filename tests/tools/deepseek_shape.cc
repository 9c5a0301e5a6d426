#include "tools/deepseek_shape.h"

#include <algorithm>
#include <string>
#include <utility>

namespace shardfs::tools {
namespace {

// Puts the list together, module by module.
class TensorList {
 public:
  explicit TensorList(const DeepSeekShape& shape) : s_(shape) {}

  void Add(std::string name, Shape shape) { Add(std::move(name), s_.dtype, std::move(shape)); }
  void Add(std::string name, Dtype dtype, Shape shape) {
    tensors_.push_back({std::move(name), dtype, std::move(shape)});
  }

  void AddAttention(const std::string& prefix) {
    Add(prefix + "q_a_proj.weight", {s_.q_lora_rank, s_.hidden});
    Add(prefix + "q_a_layernorm.weight", {s_.q_lora_rank});
    Add(prefix + "q_b_proj.weight", {s_.heads * (s_.qk_nope_head_dim + s_.qk_rope_head_dim), s_.q_lora_rank});
    Add(prefix + "kv_a_proj_with_mqa.weight", {s_.kv_lora_rank + s_.qk_rope_head_dim, s_.hidden});
    Add(prefix + "kv_a_layernorm.weight", {s_.kv_lora_rank});
    Add(prefix + "kv_b_proj.weight", {s_.heads * (s_.qk_nope_head_dim + s_.v_head_dim), s_.kv_lora_rank});
    Add(prefix + "o_proj.weight", {s_.hidden, s_.heads * s_.v_head_dim});
  }

  void AddMlp(const std::string& prefix, std::uint64_t intermediate) {
    Add(prefix + "gate_proj.weight", {intermediate, s_.hidden});
    Add(prefix + "up_proj.weight", {intermediate, s_.hidden});
    Add(prefix + "down_proj.weight", {s_.hidden, intermediate});
  }

  void AddMoe(const std::string& prefix) {
    Add(prefix + "gate.weight", {s_.experts, s_.hidden});
    Add(prefix + "gate.e_score_correction_bias", Dtype::kF32, {s_.experts});
    for (std::uint64_t expert = 0; expert < s_.experts; ++expert) {
      AddMlp(prefix + "experts." + std::to_string(expert) + ".", s_.moe_intermediate);
    }
    if (s_.shared_experts > 0) AddMlp(prefix + "shared_experts.", s_.shared_experts * s_.moe_intermediate);
  }

  void AddDecoderLayer(const std::string& prefix, bool moe) {
    AddAttention(prefix + "self_attn.");
    Add(prefix + "input_layernorm.weight", {s_.hidden});
    Add(prefix + "post_attention_layernorm.weight", {s_.hidden});
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
  const DeepSeekShape& s_;
  std::vector<NewTensor> tensors_;
};

std::string LayerPrefix(std::uint64_t layer) { return "model.layers." + std::to_string(layer) + "."; }

}  // namespace

const std::vector<Preset>& Presets() {
  static const std::vector<Preset> presets = {
      {"tiny",
       {.hidden = 64,
        .layers = 5,
        .heads = 16,
        .q_lora_rank = 24,
        .kv_lora_rank = 16,
        .qk_nope_head_dim = 8,
        .qk_rope_head_dim = 4,
        .v_head_dim = 8,
        .intermediate = 64,
        .moe_intermediate = 32,
        .experts = 16,
        .shared_experts = 1,
        .first_k_dense = 3,
        .vocab = 160,
        .mtp_layers = 1},
       2},
      {"small",
       {.hidden = 1024,
        .layers = 6,
        .heads = 16,
        .q_lora_rank = 384,
        .kv_lora_rank = 128,
        .qk_nope_head_dim = 64,
        .qk_rope_head_dim = 32,
        .v_head_dim = 64,
        .intermediate = 2048,
        .moe_intermediate = 512,
        .experts = 16,
        .shared_experts = 1,
        .first_k_dense = 3,
        .vocab = 8192,
        .mtp_layers = 1},
       2},
      {"deepseek-v3",
       {.hidden = 7168,
        .layers = 61,
        .heads = 128,
        .q_lora_rank = 1536,
        .kv_lora_rank = 512,
        .qk_nope_head_dim = 128,
        .qk_rope_head_dim = 64,
        .v_head_dim = 128,
        .intermediate = 18432,
        .moe_intermediate = 2048,
        .experts = 256,
        .shared_experts = 1,
        .first_k_dense = 3,
        .vocab = 129280,
        .mtp_layers = 1},
       163},
  };
  return presets;
}

const Preset* FindPreset(std::string_view name) {
  for (const Preset& preset : Presets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

Status ValidateShape(const DeepSeekShape& shape) {
  if (shape.dtype != Dtype::kBF16 && shape.dtype != Dtype::kF16) {
    return Status::InvalidArgument("the dtype is " + std::string(DtypeName(shape.dtype)) +
                                   ", and a float checkpoint is BF16 or F16");
  }
  const std::pair<const char*, std::uint64_t> sizes[] = {
      {"hidden", shape.hidden},
      {"layers", shape.layers},
      {"heads", shape.heads},
      {"q_lora_rank", shape.q_lora_rank},
      {"kv_lora_rank", shape.kv_lora_rank},
      {"qk_nope_head_dim", shape.qk_nope_head_dim},
      {"qk_rope_head_dim", shape.qk_rope_head_dim},
      {"v_head_dim", shape.v_head_dim},
      {"intermediate", shape.intermediate},
      {"moe_intermediate", shape.moe_intermediate},
      {"experts", shape.experts},
      {"vocab", shape.vocab},
  };
  // 2^20 in every direction keeps each product of three sizes within 64 bits.
  constexpr std::uint64_t kLargest = 1u << 20;
  for (const auto& [name, size] : sizes) {
    if (size == 0 || size > kLargest) {
      return Status::InvalidArgument(std::string(name) + " is " + std::to_string(size) + ": give 1 to " +
                                     std::to_string(kLargest));
    }
  }
  if (shape.shared_experts > kLargest || shape.mtp_layers > kLargest) {
    return Status::InvalidArgument("n_shared_experts is " + std::to_string(shape.shared_experts) + " and mtp_layers " +
                                   std::to_string(shape.mtp_layers) + ": give at most " + std::to_string(kLargest));
  }
  if (shape.first_k_dense > shape.layers) {
    return Status::InvalidArgument("first_k_dense is " + std::to_string(shape.first_k_dense) + ", more than the " +
                                   std::to_string(shape.layers) + " layers");
  }
  return Status::Ok();
}

std::vector<NewTensor> FloatTensors(const DeepSeekShape& shape) {
  TensorList list(shape);
  list.Add("model.embed_tokens.weight", {shape.vocab, shape.hidden});
  for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
    list.AddDecoderLayer(LayerPrefix(layer), /*moe=*/layer >= shape.first_k_dense);
  }
  list.Add("model.norm.weight", {shape.hidden});
  list.Add("lm_head.weight", {shape.vocab, shape.hidden});
  for (std::uint64_t layer = 0; layer < shape.mtp_layers; ++layer) list.AddMtpLayer(LayerPrefix(shape.layers + layer));
  return std::move(list).Take();
}

}  // namespace shardfs::tools
