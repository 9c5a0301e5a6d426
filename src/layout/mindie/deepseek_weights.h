// DeepseekWeights: the tensors of a DeepSeek checkpoint, found by name, checked against config.json, and put where the
// model has them. The whole source is accounted for: what is not here is in `ignored`, and anything else is refused.
//
// Pointers are into the Checkpoint, which must outlive this. Immutable after Resolve; may be shared among threads.
#pragma once

#include <optional>
#include <vector>

#include "layout/mindie/deepseek_config.h"
#include "shardfs/layout/layout.h"
#include "shardfs/source/checkpoint.h"

namespace shardfs {

// A linear layer as the source has it.
struct LinearWeights {
  const TensorInfo* weight = nullptr;
};

struct MlpWeights {
  LinearWeights gate_proj;
  LinearWeights up_proj;
  LinearWeights down_proj;
};

struct AttentionWeights {
  LinearWeights q_proj;    // without q_lora_rank
  LinearWeights q_a_proj;  // with q_lora_rank, as are the next two
  LinearWeights q_b_proj;
  const TensorInfo* q_a_layernorm = nullptr;
  LinearWeights kv_a_proj_with_mqa;
  const TensorInfo* kv_a_layernorm = nullptr;
  LinearWeights kv_b_proj;
  LinearWeights o_proj;
};

struct LayerWeights {
  AttentionWeights attention;
  const TensorInfo* input_layernorm = nullptr;
  const TensorInfo* post_attention_layernorm = nullptr;
  std::optional<MlpWeights> dense;
  const TensorInfo* router = nullptr;       // mlp.gate.weight; null in a dense layer
  const TensorInfo* router_bias = nullptr;  // e_score_correction_bias; null unless topk_method is noaux_tc
  std::vector<MlpWeights> experts;          // by expert id
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
  std::vector<IgnoredTensor> ignored;

  // kCorruption naming the first ten tensors that are missing, of another shape than the config says, or unknown;
  // kNotSupported for dtypes that are not float.
  static Result<DeepseekWeights> Resolve(const Checkpoint& checkpoint, const DeepseekConfig& config, bool mtp);
};

}  // namespace shardfs
