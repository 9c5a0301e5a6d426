// DeepSeekShape: the sizes in a DeepSeek-V3 config.json.
//
// Only what a config can say is checked; sizes that an engine would refuse (experts that do not divide, MoE layers with
// an index below 3) are allowed, because tests need checkpoints that must be refused.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "shardfs/base/status.h"
#include "shardfs/tensor/dtype.h"
#include "tools/quantisation.h"

namespace shardfs::tools {

struct DeepSeekShape {
  Dtype dtype = Dtype::kBF16;  // torch_dtype: of every float tensor but e_score_correction_bias, which is F32
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

// A checkpoint: its shape, the number of files that it comes in, and how it is quantised.
struct Preset {
  std::string_view name;
  DeepSeekShape shape;
  std::uint64_t files = 1;
  Quantisation quantisation;
};

// Float ones: "tiny" (1 MB), "small" (360 MB) and "deepseek-v3" (the true scale: 1.37 TB). "deepseek-r1-w8a8" is the
// true scale as the public W8A8 mix (702 GB), with norm biases and a float MTP layer. "deepseek-v3-fp8" is what
// DeepSeek publishes of V3 and R1 (689 GB), and "deepseek-v3-fp8-small" a small one (2 MB) whose sizes are no multiples
// of the blocks. All have an MTP layer.
const std::vector<Preset>& Presets();
const Preset* FindPreset(std::string_view name);  // nullptr when there is none

// kInvalidArgument when a size is 0 that must not be, or the sizes contradict each other.
Status ValidateShape(const DeepSeekShape& shape);

}  // namespace shardfs::tools
