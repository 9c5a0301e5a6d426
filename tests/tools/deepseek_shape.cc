#include "tools/deepseek_shape.h"

#include <algorithm>
#include <string>
#include <utility>

namespace shardfs::tools {
namespace {

constexpr DeepSeekShape kDeepSeekV3 = {.hidden = 7168,
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
                                       .mtp_layers = 1};

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
       2,
       {}},
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
       2,
       {}},
      {"deepseek-v3", kDeepSeekV3, 163, {}},
      {"deepseek-r1-w8a8",
       kDeepSeekV3,
       164,
       {.kind = CheckpointKind::kW8A8Mix, .norms = NormStyle::kBiased, .description_version = ""}},
      {"deepseek-v3-fp8", kDeepSeekV3, 163, {.kind = CheckpointKind::kFp8Block, .quantised_mtp = true}},
      {"deepseek-v3-fp8-small",
       {.hidden = 320,
        .layers = 3,
        .heads = 4,
        .q_lora_rank = 144,
        .kv_lora_rank = 80,
        .qk_nope_head_dim = 32,
        .qk_rope_head_dim = 16,
        .v_head_dim = 40,
        .intermediate = 416,
        .moe_intermediate = 136,
        .experts = 8,
        .shared_experts = 1,
        .first_k_dense = 1,
        .vocab = 512,
        .mtp_layers = 1},
       2,
       {.kind = CheckpointKind::kFp8Block, .quantised_mtp = true}},
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

}  // namespace shardfs::tools
