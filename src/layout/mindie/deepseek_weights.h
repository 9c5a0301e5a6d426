// DeepseekWeights: the tensors of a DeepSeek checkpoint, found by name, checked against config.json and the
// quantisation description, and put where the model has them. The whole source is accounted for: what is not here is in
// `ignored`, and anything else is refused.
//
// Pointers are into the Checkpoint, which must outlive this. Immutable after Resolve; may be shared among threads.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layout/mindie/deepseek_config.h"
#include "layout/mindie/linear_kind.h"
#include "layout/mindie/quant_description.h"
#include "shardfs/layout/layout.h"
#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

// A linear layer as the source has it: its weight and the companions that its kind has (section 3.5).
struct LinearWeights {
  LinearKind kind = LinearKind::kFloat;
  const TensorInfo* weight = nullptr;
  const TensorInfo* input_scale = nullptr;          // W8A8
  const TensorInfo* input_offset = nullptr;         // W8A8
  const TensorInfo* deq_scale = nullptr;            // W8A8
  const TensorInfo* quant_bias = nullptr;           // W8A8
  const TensorInfo* weight_scale = nullptr;         // W8A8_DYNAMIC, W8A16, W4A8_DYNAMIC
  const TensorInfo* weight_offset = nullptr;        // W8A8_DYNAMIC, W8A16
  const TensorInfo* weight_scale_second = nullptr;  // W4A8_DYNAMIC per group
  const TensorInfo* scale_bias = nullptr;           // W4A8_DYNAMIC
};

struct MlpWeights {
  LinearWeights gate_proj;
  LinearWeights up_proj;
  LinearWeights down_proj;
};

// A norm: whether it has a bias, or an anti-outlier pair, is decided by the description (section 3.6).
struct NormWeights {
  const TensorInfo* weight = nullptr;
  bool is_described_anti = false;  // the description has N.module.weight, for a norm whose pair MindIE looks for
  bool has_bias = false;
  const TensorInfo* bias = nullptr;         // has_bias: null when the source has none, and zeros stand for it
  const TensorInfo* anti_weight = nullptr;  // N.module.weight: the pair is shown
  const TensorInfo* anti_bias = nullptr;    // N.module.bias
};

struct AttentionWeights {
  LinearWeights q_proj;    // without q_lora_rank
  LinearWeights q_a_proj;  // with q_lora_rank, as are the next two
  LinearWeights q_b_proj;
  NormWeights q_a_layernorm;
  LinearWeights kv_a_proj_with_mqa;
  const TensorInfo* kv_a_layernorm = nullptr;
  LinearWeights kv_b_proj;
  LinearWeights o_proj;
  const TensorInfo* fa_q_scale = nullptr;  // FA3: null in a layer that is not quantised so
  const TensorInfo* fa_k_scale = nullptr;
};

struct LayerWeights {
  AttentionWeights attention;
  NormWeights input_layernorm;
  NormWeights post_attention_layernorm;
  std::optional<MlpWeights> dense;
  const TensorInfo* router = nullptr;       // mlp.gate.weight; null in a dense layer
  const TensorInfo* router_bias = nullptr;  // e_score_correction_bias; null unless topk_method is noaux_tc
  std::vector<MlpWeights> experts;          // by expert id, all of one kind
  std::optional<MlpWeights> shared_experts;
};

// The multi-token prediction layer: a MoE layer and what joins it to the model.
struct MtpWeights {
  LayerWeights layer;
  const TensorInfo* enorm = nullptr;
  const TensorInfo* hnorm = nullptr;
  const TensorInfo* eh_proj = nullptr;
  const TensorInfo* shared_head_norm = nullptr;
};

struct DeepseekWeights {
  const TensorInfo* embed_tokens = nullptr;
  const TensorInfo* norm = nullptr;
  const TensorInfo* lm_head = nullptr;
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
