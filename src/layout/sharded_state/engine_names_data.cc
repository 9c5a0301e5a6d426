// What each release of vLLM and SGLang calls the tensors of its state dict (spec/sharded-state.md, sections 4 and 5).
//
// A block lists roles and names in the order of the state dict; names stand below "model.layers.N.", those of "model"
// for themselves. A release that does not have a block, or a key, has that of the release before it. A role that a
// block does not have is a tensor that the engine does not have. `last` stands for all of its patch releases; `since`
// is the first release that knows a model type, where that is later than the first of all.
#include "layout/sharded_state/engine_names_data.h"

namespace shardfs {

const std::string_view kEngineNamesJson = R"json({
 "vllm": {
  "last": "0.26",
  "since": {"deepseek_v3": "0.6.6"},
  "releases": [
   {
    "first": "0.6.3",
    "e_score_correction_bias": "model",
    "blocks": {
     "model": {
      "embed_tokens": "model.embed_tokens.weight", "tied_embed_tokens": "lm_head.weight",
      "norm": "model.norm.weight", "lm_head": "lm_head.weight"},
     "layer_norms": {
      "input_layernorm": "input_layernorm.weight",
      "post_attention_layernorm": "post_attention_layernorm.weight"},
     "mlp": {
      "gate_up_proj.weight": "mlp.gate_up_proj.weight", "gate_up_proj.bias": "mlp.gate_up_proj.bias",
      "down_proj.weight": "mlp.down_proj.weight", "down_proj.bias": "mlp.down_proj.bias"},
     "attention": {
      "qkv_proj.weight": "self_attn.qkv_proj.weight", "qkv_proj.bias": "self_attn.qkv_proj.bias",
      "o_proj.weight": "self_attn.o_proj.weight", "o_proj.bias": "self_attn.o_proj.bias",
      "q_norm": "self_attn.q_norm.weight", "k_norm": "self_attn.k_norm.weight"},
     "mla": {
      "q_a_proj": "self_attn.q_a_proj.weight", "q_a_layernorm": "self_attn.q_a_layernorm.weight",
      "q_b_proj": "self_attn.q_b_proj.weight", "kv_a_proj_with_mqa": "self_attn.kv_a_proj_with_mqa.weight",
      "kv_a_layernorm": "self_attn.kv_a_layernorm.weight", "kv_b_proj": "self_attn.kv_b_proj.weight",
      "o_proj": "self_attn.o_proj.weight"},
     "mla_without_q_lora": {
      "q_proj": "self_attn.q_proj.weight", "kv_a_proj_with_mqa": "self_attn.kv_a_proj_with_mqa.weight",
      "kv_a_layernorm": "self_attn.kv_a_layernorm.weight", "kv_b_proj": "self_attn.kv_b_proj.weight",
      "o_proj": "self_attn.o_proj.weight"},
     "mixtral_moe": {
      "gate": "block_sparse_moe.gate.weight", "w13": "block_sparse_moe.experts.w13_weight",
      "w2": "block_sparse_moe.experts.w2_weight"},
     "qwen2_moe": {
      "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight", "gate": "mlp.gate.weight",
      "shared_gate_up_proj": "mlp.shared_expert.gate_up_proj.weight",
      "shared_down_proj": "mlp.shared_expert.down_proj.weight",
      "shared_expert_gate": "mlp.shared_expert_gate.weight"},
     "qwen3_moe": {"w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight", "gate": "mlp.gate.weight"},
     "deepseek_moe": {
      "gate": "mlp.gate.weight", "e_score_correction_bias": "mlp.experts.e_score_correction_bias",
      "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight",
      "shared_gate_up_proj": "mlp.shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.shared_experts.down_proj.weight"}}},
   {
    "first": "0.10.0",
    "blocks": {
     "mla": {
      "fused_qkv_a_proj": "self_attn.fused_qkv_a_proj.weight",
      "q_a_layernorm": "self_attn.q_a_layernorm.weight", "q_b_proj": "self_attn.q_b_proj.weight",
      "kv_a_layernorm": "self_attn.kv_a_layernorm.weight", "kv_b_proj": "self_attn.kv_b_proj.weight",
      "o_proj": "self_attn.o_proj.weight"},
     "mla_without_q_lora": {
      "kv_a_proj_with_mqa": "self_attn.kv_a_proj_with_mqa.weight", "q_proj": "self_attn.q_proj.weight",
      "kv_a_layernorm": "self_attn.kv_a_layernorm.weight", "kv_b_proj": "self_attn.kv_b_proj.weight",
      "o_proj": "self_attn.o_proj.weight"}}},
   {
    "first": "0.10.2",
    "e_score_correction_bias": "F32",
    "blocks": {
     "mla": {
      "fused_qkv_a_proj": "self_attn.fused_qkv_a_proj.weight",
      "q_a_layernorm": "self_attn.mla_attn.q_a_layernorm.weight",
      "q_b_proj": "self_attn.mla_attn.q_b_proj.weight", "kv_a_layernorm": "self_attn.kv_a_layernorm.weight",
      "kv_b_proj": "self_attn.kv_b_proj.weight", "o_proj": "self_attn.mla_attn.o_proj.weight"},
     "mla_without_q_lora": {
      "kv_a_proj_with_mqa": "self_attn.kv_a_proj_with_mqa.weight",
      "q_proj": "self_attn.mla_attn.q_proj.weight", "kv_a_layernorm": "self_attn.kv_a_layernorm.weight",
      "kv_b_proj": "self_attn.kv_b_proj.weight", "o_proj": "self_attn.mla_attn.o_proj.weight"},
     "deepseek_moe": {
      "gate": "mlp.gate.weight", "e_score_correction_bias": "mlp.experts.e_score_correction_bias",
      "shared_gate_up_proj": "mlp.experts._shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.experts._shared_experts.down_proj.weight", "w13": "mlp.experts.w13_weight",
      "w2": "mlp.experts.w2_weight"}}},
   {
    "first": "0.11",
    "blocks": {
     "mixtral_moe": {
      "gate": "block_sparse_moe.gate.weight", "w13": "block_sparse_moe.experts.w13_weight",
      "w2": "block_sparse_moe.experts.w2_weight", "expert_map": "block_sparse_moe.experts.expert_map"},
     "qwen2_moe": {
      "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts.expert_map",
      "gate": "mlp.gate.weight", "shared_gate_up_proj": "mlp.shared_expert.gate_up_proj.weight",
      "shared_down_proj": "mlp.shared_expert.down_proj.weight",
      "shared_expert_gate": "mlp.shared_expert_gate.weight"},
     "qwen3_moe": {
      "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts.expert_map",
      "gate": "mlp.gate.weight"},
     "deepseek_moe": {
      "gate": "mlp.gate.weight", "e_score_correction_bias": "mlp.experts.e_score_correction_bias",
      "shared_gate_up_proj": "mlp.experts._shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.experts._shared_experts.down_proj.weight", "w13": "mlp.experts.w13_weight",
      "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts.expert_map"}}},
   {
    "first": "0.12",
    "blocks": {
     "qwen2_moe": {
      "gate": "mlp.gate.weight", "shared_expert_gate": "mlp.experts._shared_experts.expert_gate.weight",
      "shared_gate_up_proj": "mlp.experts._shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.experts._shared_experts.down_proj.weight", "w13": "mlp.experts.w13_weight",
      "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts.expert_map"},
     "deepseek_moe": {
      "gate": "mlp.experts._gate.weight",
      "e_score_correction_bias": "mlp.experts._gate.e_score_correction_bias",
      "shared_gate_up_proj": "mlp.experts._shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.experts._shared_experts.down_proj.weight", "w13": "mlp.experts.w13_weight",
      "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts.expert_map"}}},
   {
    "first": "0.13",
    "blocks": {
     "mixtral_moe": {
      "gate": "block_sparse_moe.gate.weight", "w13": "block_sparse_moe.experts.w13_weight",
      "w2": "block_sparse_moe.experts.w2_weight", "expert_map": "block_sparse_moe.experts._expert_map"},
     "qwen2_moe": {
      "gate": "mlp.gate.weight", "shared_expert_gate": "mlp.experts._shared_experts.expert_gate.weight",
      "shared_gate_up_proj": "mlp.experts._shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.experts._shared_experts.down_proj.weight", "w13": "mlp.experts.w13_weight",
      "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts._expert_map"},
     "qwen3_moe": {
      "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts._expert_map",
      "gate": "mlp.gate.weight"},
     "deepseek_moe": {
      "gate": "mlp.experts._gate.weight",
      "e_score_correction_bias": "mlp.experts._gate.e_score_correction_bias",
      "shared_gate_up_proj": "mlp.experts._shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.experts._shared_experts.down_proj.weight", "w13": "mlp.experts.w13_weight",
      "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts._expert_map"}}},
   {
    "first": "0.14",
    "blocks": {
     "attention": {
      "qkv_proj.weight": "self_attn.qkv_proj.weight", "qkv_proj.bias": "self_attn.qkv_proj.bias",
      "o_proj.weight": "self_attn.o_proj.weight", "o_proj.bias": "self_attn.o_proj.bias",
      "k_scale": "self_attn.attn._k_scale", "v_scale": "self_attn.attn._v_scale",
      "q_scale": "self_attn.attn._q_scale", "prob_scale": "self_attn.attn._prob_scale",
      "q_norm": "self_attn.q_norm.weight", "k_norm": "self_attn.k_norm.weight"},
     "mla": {
      "fused_qkv_a_proj": "self_attn.fused_qkv_a_proj.weight",
      "q_a_layernorm": "self_attn.mla_attn.q_a_layernorm.weight",
      "q_b_proj": "self_attn.mla_attn.q_b_proj.weight", "kv_a_layernorm": "self_attn.kv_a_layernorm.weight",
      "kv_b_proj": "self_attn.kv_b_proj.weight", "o_proj": "self_attn.mla_attn.o_proj.weight",
      "k_scale": "self_attn.mla_attn.mla_attn._k_scale", "v_scale": "self_attn.mla_attn.mla_attn._v_scale",
      "q_scale": "self_attn.mla_attn.mla_attn._q_scale",
      "prob_scale": "self_attn.mla_attn.mla_attn._prob_scale"},
     "mla_without_q_lora": {
      "kv_a_proj_with_mqa": "self_attn.kv_a_proj_with_mqa.weight",
      "q_proj": "self_attn.mla_attn.q_proj.weight", "kv_a_layernorm": "self_attn.kv_a_layernorm.weight",
      "kv_b_proj": "self_attn.kv_b_proj.weight", "o_proj": "self_attn.mla_attn.o_proj.weight",
      "k_scale": "self_attn.mla_attn.mla_attn._k_scale", "v_scale": "self_attn.mla_attn.mla_attn._v_scale",
      "q_scale": "self_attn.mla_attn.mla_attn._q_scale",
      "prob_scale": "self_attn.mla_attn.mla_attn._prob_scale"}}},
   {
    "first": "0.15",
    "blocks": {
     "qwen3_moe": {
      "gate": "mlp.experts._gate.weight", "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight",
      "expert_map": "mlp.experts._expert_map"}}},
   {
    "first": "0.20",
    "blocks": {
     "qwen2_moe": {
      "gate": "mlp.gate.weight", "shared_expert_gate": "mlp.shared_expert.expert_gate.weight",
      "shared_gate_up_proj": "mlp.shared_expert.gate_up_proj.weight",
      "shared_down_proj": "mlp.shared_expert.down_proj.weight", "w13": "mlp.experts.w13_weight",
      "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts._expert_map"},
     "qwen3_moe": {
      "gate": "mlp.gate.weight", "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight",
      "expert_map": "mlp.experts._expert_map"},
     "deepseek_moe": {
      "gate": "mlp.gate.weight", "e_score_correction_bias": "mlp.experts.e_score_correction_bias",
      "shared_gate_up_proj": "mlp.shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.shared_experts.down_proj.weight", "w13": "mlp.experts.w13_weight",
      "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts._expert_map"}}},
   {
    "first": "0.21",
    "blocks": {
     "qwen3_moe": {
      "gate": "mlp.experts.runner.gate.weight", "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight",
      "expert_map": "mlp.experts._expert_map"},
     "deepseek_moe": {
      "gate": "mlp.experts.runner.gate.weight",
      "e_score_correction_bias": "mlp.experts.e_score_correction_bias",
      "shared_gate_up_proj": "mlp.shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.shared_experts.down_proj.weight", "w13": "mlp.experts.w13_weight",
      "w2": "mlp.experts.w2_weight", "expert_map": "mlp.experts._expert_map"}}},
   {
    "first": "0.24",
    "blocks": {
     "mixtral_moe": {
      "gate": "block_sparse_moe.gate.weight", "w13": "block_sparse_moe.experts.routed_experts.w13_weight",
      "w2": "block_sparse_moe.experts.routed_experts.w2_weight",
      "expert_map": "block_sparse_moe.experts.routed_experts._expert_map"},
     "qwen2_moe": {
      "gate": "mlp.gate.weight", "shared_expert_gate": "mlp.experts._shared_experts._layer.expert_gate.weight",
      "shared_gate_up_proj": "mlp.experts._shared_experts._layer.gate_up_proj.weight",
      "shared_down_proj": "mlp.experts._shared_experts._layer.down_proj.weight",
      "w13": "mlp.experts.routed_experts.w13_weight", "w2": "mlp.experts.routed_experts.w2_weight",
      "expert_map": "mlp.experts.routed_experts._expert_map"},
     "qwen3_moe": {
      "gate": "mlp.experts.gate.weight", "w13": "mlp.experts.routed_experts.w13_weight",
      "w2": "mlp.experts.routed_experts.w2_weight", "expert_map": "mlp.experts.routed_experts._expert_map"},
     "deepseek_moe": {
      "gate": "mlp.experts.gate.weight", "e_score_correction_bias": "mlp.experts.gate.e_score_correction_bias",
      "shared_gate_up_proj": "mlp.experts._shared_experts._layer.gate_up_proj.weight",
      "shared_down_proj": "mlp.experts._shared_experts._layer.down_proj.weight",
      "w13": "mlp.experts.routed_experts.w13_weight", "w2": "mlp.experts.routed_experts.w2_weight",
      "expert_map": "mlp.experts.routed_experts._expert_map"}}}]},
 "sglang": {
  "last": "0.5.18",
  "since": {},
  "releases": [
   {
    "first": "0.5.9",
    "e_score_correction_bias": "F32",
    "blocks": {
     "model": {
      "embed_tokens": "model.embed_tokens.weight", "tied_embed_tokens": "lm_head.weight",
      "norm": "model.norm.weight", "lm_head": "lm_head.weight"},
     "layer_norms": {
      "input_layernorm": "input_layernorm.weight",
      "post_attention_layernorm": "post_attention_layernorm.weight"},
     "mlp": {
      "gate_up_proj.weight": "mlp.gate_up_proj.weight", "gate_up_proj.bias": "mlp.gate_up_proj.bias",
      "down_proj.weight": "mlp.down_proj.weight", "down_proj.bias": "mlp.down_proj.bias"},
     "attention": {
      "qkv_proj.weight": "self_attn.qkv_proj.weight", "qkv_proj.bias": "self_attn.qkv_proj.bias",
      "o_proj.weight": "self_attn.o_proj.weight", "o_proj.bias": "self_attn.o_proj.bias",
      "q_norm": "self_attn.q_norm.weight", "k_norm": "self_attn.k_norm.weight"},
     "mla": {
      "fused_qkv_a_proj": "self_attn.fused_qkv_a_proj_with_mqa.weight",
      "q_a_layernorm": "self_attn.q_a_layernorm.weight", "q_b_proj": "self_attn.q_b_proj.weight",
      "kv_b_proj": "self_attn.kv_b_proj.weight", "o_proj": "self_attn.o_proj.weight",
      "kv_a_layernorm": "self_attn.kv_a_layernorm.weight"},
     "mla_without_q_lora": {
      "q_proj": "self_attn.q_proj.weight", "kv_b_proj": "self_attn.kv_b_proj.weight",
      "o_proj": "self_attn.o_proj.weight", "kv_a_proj_with_mqa": "self_attn.kv_a_proj_with_mqa.weight",
      "kv_a_layernorm": "self_attn.kv_a_layernorm.weight"},
     "mixtral_moe": {
      "gate": "block_sparse_moe.gate.weight", "w13": "block_sparse_moe.experts.w13_weight",
      "w2": "block_sparse_moe.experts.w2_weight"},
     "qwen2_moe": {
      "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight", "gate": "mlp.gate.weight",
      "shared_gate_up_proj": "mlp.shared_expert.gate_up_proj.weight",
      "shared_down_proj": "mlp.shared_expert.down_proj.weight",
      "shared_expert_gate": "mlp.shared_expert_gate.weight"},
     "qwen3_moe": {"w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight", "gate": "mlp.gate.weight"},
     "deepseek_moe": {
      "gate": "mlp.gate.weight", "e_score_correction_bias": "mlp.gate.e_score_correction_bias",
      "w13": "mlp.experts.w13_weight", "w2": "mlp.experts.w2_weight",
      "shared_gate_up_proj": "mlp.shared_experts.gate_up_proj.weight",
      "shared_down_proj": "mlp.shared_experts.down_proj.weight"}}}]}}
)json";

}  // namespace shardfs
