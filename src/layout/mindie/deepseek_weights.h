// DeepseekWeights: the tensors of a DeepSeek checkpoint, found by name, checked against config.json and the
// quantisation description, and put where the model has them. The whole source is accounted for: what is not here is in
// `ignored`, and anything else is refused.
//
// Pointers are into the Checkpoint, which must outlive this. Immutable after Resolve; may be shared among threads.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/quant_description.h"
#include "layout/mindie/linear_kind.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/checkpoint/ignored_tensor.h"

namespace shardfs {

// A linear layer as the source has it: its weight and the companions that its kind has (section 3.5).
struct LinearWeights {
  LinearKind kind = LinearKind::kFloat;
  const TensorSpec* weight = nullptr;
  const TensorSpec* input_scale = nullptr;          // W8A8
  const TensorSpec* input_offset = nullptr;         // W8A8
  const TensorSpec* deq_scale = nullptr;            // W8A8
  const TensorSpec* quant_bias = nullptr;           // W8A8
  const TensorSpec* weight_scale = nullptr;         // W8A8_DYNAMIC, W8A16, W4A8_DYNAMIC
  const TensorSpec* weight_offset = nullptr;        // W8A8_DYNAMIC, W8A16
  const TensorSpec* weight_scale_second = nullptr;  // W4A8_DYNAMIC per group
  const TensorSpec* scale_bias = nullptr;           // W4A8_DYNAMIC
};

struct MlpWeights {
  LinearWeights gate_proj;
  LinearWeights up_proj;
  LinearWeights down_proj;
};

// A norm: whether it has a bias, or an anti-outlier pair, is decided by the description (section 3.6).
struct NormWeights {
  const TensorSpec* weight = nullptr;
  bool is_described_anti = false;  // the description has N.module.weight, for a norm whose pair MindIE looks for
  bool has_bias = false;
  const TensorSpec* bias = nullptr;         // has_bias: null when the source has none, and zeros stand for it
  const TensorSpec* anti_weight = nullptr;  // N.module.weight: the pair is shown
  const TensorSpec* anti_bias = nullptr;    // N.module.bias
};

struct AttentionWeights {
  LinearWeights q_proj;    // without q_lora_rank
  LinearWeights q_a_proj;  // with q_lora_rank, as are the next two
  LinearWeights q_b_proj;
  NormWeights q_a_layernorm;
  LinearWeights kv_a_proj_with_mqa;
  const TensorSpec* kv_a_layernorm = nullptr;
  LinearWeights kv_b_proj;
  LinearWeights o_proj;
  const TensorSpec* fa_q_scale = nullptr;  // FA3: null in a layer that is not quantised so
  const TensorSpec* fa_k_scale = nullptr;
};

struct LayerWeights {
  AttentionWeights attention;
  NormWeights input_layernorm;
  NormWeights post_attention_layernorm;
  std::optional<MlpWeights> dense;
  const TensorSpec* router = nullptr;       // mlp.gate.weight; null in a dense layer
  const TensorSpec* router_bias = nullptr;  // e_score_correction_bias; null unless topk_method is noaux_tc
  std::vector<MlpWeights> experts;          // by expert id, all of one kind
  std::optional<MlpWeights> shared_experts;
};

// The multi-token prediction layer: a MoE layer and what joins it to the model.
struct MtpWeights {
  LayerWeights layer;
  const TensorSpec* enorm = nullptr;
  const TensorSpec* hnorm = nullptr;
  const TensorSpec* eh_proj = nullptr;
  const TensorSpec* shared_head_norm = nullptr;
};

struct DeepseekWeights {
  const Checkpoint* checkpoint = nullptr;  // whose tensors these are
  const TensorSpec* embed_tokens = nullptr;
  const TensorSpec* norm = nullptr;
  const TensorSpec* lm_head = nullptr;
  std::vector<LayerWeights> layers;
  std::optional<MtpWeights> mtp;
  bool has_fa3 = false;  // every layer has fa3.* tensors
  std::vector<IgnoredTensor> ignored;
  std::vector<std::string> warnings;  // of files, indices and tensors that are passed over

  // `description` is null for a checkpoint without `quantize`. kCorruption naming the first ten tensors that are
  // missing, of another shape or dtype than they must have, contradicted by the description, or unknown; kNotSupported
  // for weights of a kind that the layout does not write.
  static Result<DeepseekWeights> Resolve(const Checkpoint& checkpoint, const DeepseekConfig& config,
                                         const QuantDescription* description, bool fa3, bool mtp);
};

}  // namespace shardfs
