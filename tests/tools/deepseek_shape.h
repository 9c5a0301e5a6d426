// DeepSeekShape: the sizes in a DeepSeek-V3 config.json, and the tensors of a float checkpoint of those sizes.
//
// Only what a config can say is checked; sizes that an engine would refuse (experts that do not divide, MoE layers with
// an index below 3) are allowed, because tests need checkpoints that must be refused.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "shardfs/base/status.h"
#include "shardfs/safetensors/dtype.h"
#include "shardfs/safetensors/header.h"

namespace shardfs::tools {

struct DeepSeekShape {
  Dtype dtype = Dtype::kBF16;  // torch_dtype: of every tensor but e_score_correction_bias, which is F32
  std::uint64_t hidden = 0;
  std::uint64_t layers = 0;  // without the MTP layers, which are numbered behind them
  std::uint64_t heads = 0;
  std::uint64_t q_lora_rank = 0;
  std::uint64_t kv_lora_rank = 0;
  std::uint64_t qk_nope_head_dim = 0;
  std::uint64_t qk_rope_head_dim = 0;
  std::uint64_t v_head_dim = 0;
  std::uint64_t intermediate = 0;      // of a dense layer's MLP
  std::uint64_t moe_intermediate = 0;  // of one expert's
  std::uint64_t experts = 0;           // routed ones
  std::uint64_t shared_experts = 0;    // fused into one MLP of shared_experts * moe_intermediate; may be 0
  std::uint64_t first_k_dense = 0;     // layers before the first MoE layer; may be 0
  std::uint64_t vocab = 0;
  std::uint64_t mtp_layers = 0;  // may be 0
};

// A shape and the number of files that a checkpoint of it comes in.
struct Preset {
  std::string_view name;
  DeepSeekShape shape;
  std::uint64_t files = 1;
};

// "tiny" (1 MB), "small" (360 MB) and "deepseek-v3" (the true scale: 1.37 TB). All have an MTP layer.
const std::vector<Preset>& Presets();
const Preset* FindPreset(std::string_view name);  // nullptr when there is none

// kInvalidArgument when a size is 0 that must not be, or the sizes contradict each other.
Status ValidateShape(const DeepSeekShape& shape);

// The tensors of a float checkpoint, in the order in which public checkpoints list them: embedding, layers, norm,
// lm_head, MTP layers. `shape` must be valid. Another kind of checkpoint (quantised, say) is another such function.
std::vector<NewTensor> FloatTensors(const DeepSeekShape& shape);

}  // namespace shardfs::tools
