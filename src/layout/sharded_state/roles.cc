#include "layout/sharded_state/roles.h"

#include <algorithm>
#include <array>

namespace shardfs {
namespace {

using Roles = std::span<const std::string_view>;

constexpr std::array<std::string_view, 4> kModel = {"embed_tokens", "tied_embed_tokens", "norm", "lm_head"};
constexpr std::array<std::string_view, 2> kLayerNorms = {"input_layernorm", "post_attention_layernorm"};
constexpr std::array<std::string_view, 4> kMlp = {"gate_up_proj.weight", "gate_up_proj.bias", "down_proj.weight",
                                                  "down_proj.bias"};
constexpr std::array<std::string_view, 10> kAttention = {
    "qkv_proj.weight", "qkv_proj.bias", "o_proj.weight", "o_proj.bias", "k_scale",
    "v_scale",         "q_scale",       "prob_scale",    "q_norm",      "k_norm"};
constexpr std::array<std::string_view, 12> kMla = {
    "fused_qkv_a_proj", "q_a_proj", "q_a_layernorm", "q_b_proj", "kv_a_proj_with_mqa", "kv_a_layernorm", "kv_b_proj",
    "o_proj",           "k_scale",  "v_scale",       "q_scale",  "prob_scale"};
constexpr std::array<std::string_view, 9> kMlaWithoutQLora = {
    "q_proj",  "kv_a_proj_with_mqa", "kv_a_layernorm", "kv_b_proj", "o_proj", "k_scale", "v_scale",
    "q_scale", "prob_scale"};
constexpr std::array<std::string_view, 4> kMoe = {"gate", "w13", "w2", "expert_map"};
constexpr std::array<std::string_view, 7> kQwen2Moe = {
    "gate", "shared_expert_gate", "shared_gate_up_proj", "shared_down_proj", "w13", "w2", "expert_map"};
constexpr std::array<std::string_view, 7> kDeepseekMoe = {
    "gate", "e_score_correction_bias", "shared_gate_up_proj", "shared_down_proj", "w13", "w2", "expert_map"};

struct Block {
  std::string_view name;
  Roles roles;
};

constexpr std::array<Block, 10> kBlocks = {{
    {"model", kModel},
    {"layer_norms", kLayerNorms},
    {"mlp", kMlp},
    {"attention", kAttention},
    {"mla", kMla},
    {"mla_without_q_lora", kMlaWithoutQLora},
    {"mixtral_moe", kMoe},
    {"qwen2_moe", kQwen2Moe},
    {"qwen3_moe", kMoe},
    {"deepseek_moe", kDeepseekMoe},
}};

constexpr auto kNames = [] {
  std::array<std::string_view, kBlocks.size()> names;
  std::transform(kBlocks.begin(), kBlocks.end(), names.begin(), [](const Block& block) { return block.name; });
  return names;
}();

}  // namespace

std::span<const std::string_view> BlockNames() { return kNames; }

std::span<const std::string_view> RolesOf(std::string_view name) {
  const auto found =
      std::find_if(kBlocks.begin(), kBlocks.end(), [&](const Block& block) { return block.name == name; });
  return found == kBlocks.end() ? Roles{} : found->roles;
}

}  // namespace shardfs
