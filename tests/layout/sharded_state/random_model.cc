#include "layout/sharded_state/random_model.h"

#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>

namespace shardfs::testing {
namespace {

constexpr std::uint64_t kKvRank = 4;
constexpr std::uint64_t kQRank = 6;
constexpr std::uint64_t kNope = 3;
constexpr std::uint64_t kRope = 2;
constexpr std::uint64_t kValue = 4;

class ModelMaker {
 public:
  ModelMaker(RandomChoices& random, RandomModel& model) : random_(random), model_(model) {}

  void Tensors() {
    Add("model.embed_tokens.weight", {model_.vocab, model_.hidden});
    for (std::uint64_t layer = 0; layer < model_.layers; ++layer) Layer(layer);
    Add("model.norm.weight", {model_.hidden});
    if (!model_.is_tied || random_.Chance(30)) Add("lm_head.weight", {model_.vocab, model_.hidden});
  }

  void Config() {
    nlohmann::ordered_json config = {{"model_type", model_.type},
                                     {"hidden_size", model_.hidden},
                                     {"num_hidden_layers", model_.layers},
                                     {"vocab_size", model_.vocab},
                                     {"num_attention_heads", model_.heads},
                                     {"intermediate_size", model_.intermediate},
                                     {"tie_word_embeddings", model_.is_tied}};
    config[random_.Chance(50) ? "torch_dtype" : "dtype"] = model_.dtype == Dtype::kBF16 ? "bfloat16" : "float16";
    if (model_.IsDeepseek()) {
      config.update({{"kv_lora_rank", kKvRank},
                     {"qk_nope_head_dim", kNope},
                     {"qk_rope_head_dim", kRope},
                     {"v_head_dim", kValue}});
      config["q_lora_rank"] = model_.has_q_lora ? nlohmann::ordered_json(kQRank) : nlohmann::ordered_json();
      config["first_k_dense_replace"] = model_.first_moe;
      config["n_routed_experts"] = model_.experts;
      config["n_shared_experts"] = model_.shared_size / model_.expert_size;
      config["topk_method"] = model_.type == "deepseek_v3" ? "noaux_tc" : "greedy";
    } else {
      config.update({{"num_key_value_heads", model_.kv_heads},
                     {"head_dim", model_.head_dim},
                     {"attention_bias", model_.has_bias},
                     {"mlp_bias", model_.has_bias}});
    }
    if (model_.type == "mixtral") config["num_local_experts"] = model_.experts;
    if (model_.type.starts_with("qwen") && model_.experts > 0) {
      config["num_experts"] = model_.experts;
      for (std::uint64_t layer = 0; layer < model_.first_moe; ++layer) config["mlp_only_layers"].push_back(layer);
      if (model_.type == "qwen2_moe") config["shared_expert_intermediate_size"] = model_.shared_size;
    }
    if (model_.experts > 0 && model_.type != "mixtral") config["moe_intermediate_size"] = model_.expert_size;
    model_.config = config.dump();
  }

 private:
  // Random bits, but for F32, which the engines may cast: whole numbers that every float dtype has.
  void Add(const std::string& name, Shape shape, Dtype dtype) {
    std::uint64_t count = 1;
    for (const std::uint64_t size : shape) count *= size;
    std::string bytes(count * DtypeBytes(dtype), '\0');
    if (dtype == Dtype::kF32) {
      for (std::uint64_t i = 0; i < count; ++i) {
        const float value = static_cast<float>(random_.Between(0, 200)) - 100;
        std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
      }
    } else {
      for (char& byte : bytes) byte = static_cast<char>(random_.Between(0, 255));
    }
    model_.tensors[name] = {dtype, std::move(shape), std::move(bytes)};
  }
  void Add(const std::string& name, Shape shape) { Add(name, std::move(shape), model_.dtype); }

  void Linear(const std::string& name, std::uint64_t rows, std::uint64_t columns, bool has_bias = false) {
    Add(name + ".weight", {rows, columns});
    if (has_bias) Add(name + ".bias", {rows});
  }

  void Mlp(const std::string& prefix, std::uint64_t size, bool has_bias = false) {
    Linear(prefix + "gate_proj", size, model_.hidden, has_bias);
    Linear(prefix + "up_proj", size, model_.hidden, has_bias);
    Linear(prefix + "down_proj", model_.hidden, size, has_bias);
  }

  void Attention(const std::string& prefix) {
    const std::uint64_t hidden = model_.hidden;
    if (model_.IsDeepseek()) {
      const std::uint64_t q_rows = model_.heads * (kNope + kRope);
      if (model_.has_q_lora) {
        Linear(prefix + "q_a_proj", kQRank, hidden);
        Add(prefix + "q_a_layernorm.weight", {kQRank});
        Linear(prefix + "q_b_proj", q_rows, kQRank);
      } else {
        Linear(prefix + "q_proj", q_rows, hidden);
      }
      Linear(prefix + "kv_a_proj_with_mqa", kKvRank + kRope, hidden);
      Add(prefix + "kv_a_layernorm.weight", {kKvRank});
      Linear(prefix + "kv_b_proj", model_.heads * (kNope + kValue), kKvRank);
      return Linear(prefix + "o_proj", hidden, model_.heads * kValue);
    }
    const bool has_qkv_bias =
        model_.type == "qwen2" || model_.type == "qwen2_moe" || (model_.has_bias && model_.type != "mixtral");
    Linear(prefix + "q_proj", model_.heads * model_.head_dim, hidden, has_qkv_bias);
    Linear(prefix + "k_proj", model_.kv_heads * model_.head_dim, hidden, has_qkv_bias);
    Linear(prefix + "v_proj", model_.kv_heads * model_.head_dim, hidden, has_qkv_bias);
    Linear(prefix + "o_proj", hidden, model_.heads * model_.head_dim, model_.has_bias && model_.IsLlama());
    if (!model_.type.starts_with("qwen3")) return;
    Add(prefix + "q_norm.weight", {model_.head_dim});
    Add(prefix + "k_norm.weight", {model_.head_dim});
  }

  void Experts(const std::string& prefix) {
    const bool is_mixtral = model_.type == "mixtral";
    const std::string folder = prefix + (is_mixtral ? "block_sparse_moe." : "mlp.");
    Linear(folder + "gate", model_.experts, model_.hidden);
    if (model_.type == "deepseek_v3") Add(folder + "gate.e_score_correction_bias", {model_.experts}, Dtype::kF32);
    for (std::uint64_t expert = 0; expert < model_.experts; ++expert) {
      const std::string one = fmt::format("{}experts.{}.", folder, expert);
      if (!is_mixtral) {
        Mlp(one, model_.expert_size);
        continue;
      }
      Linear(one + "w1", model_.expert_size, model_.hidden);
      Linear(one + "w3", model_.expert_size, model_.hidden);
      Linear(one + "w2", model_.hidden, model_.expert_size);
    }
    if (model_.shared_size == 0) return;
    const bool is_qwen = model_.type == "qwen2_moe";
    Mlp(folder + (is_qwen ? "shared_expert." : "shared_experts."), model_.shared_size);
    if (is_qwen) Linear(folder + "shared_expert_gate", 1, model_.hidden);
  }

  void Layer(std::uint64_t layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    Add(prefix + "input_layernorm.weight", {model_.hidden});
    Add(prefix + "post_attention_layernorm.weight", {model_.hidden});
    Attention(prefix + "self_attn.");
    if (model_.IsMoe(layer)) {
      Experts(prefix);
    } else {
      Mlp(prefix + "mlp.", model_.intermediate, model_.has_bias && model_.IsLlama());
    }
  }

  RandomChoices& random_;
  RandomModel& model_;
};

}  // namespace

RandomModel MakeRandomModel(RandomChoices& random, std::uint64_t most_ranks) {
  RandomModel model;
  model.type = random.OneOf<std::string>(
      {"llama", "mistral", "qwen2", "qwen3", "mixtral", "qwen2_moe", "qwen3_moe", "deepseek_v2", "deepseek_v3"});
  model.dtype = random.Chance(70) ? Dtype::kBF16 : Dtype::kF16;
  model.layers = random.Between(1, 3);
  model.hidden = random.Between(2, 6);
  model.vocab = random.Between(1, 140);
  model.heads = most_ranks * random.Between(1, 2);
  model.kv_heads = random.OneOf<std::uint64_t>({1, 2, most_ranks, model.heads});
  if (model.heads % model.kv_heads != 0) model.kv_heads = 1;
  model.head_dim = random.Between(1, 4);
  model.intermediate = most_ranks * random.Between(1, 3);
  model.is_tied = random.Chance(30) && !model.IsDeepseek();
  model.has_bias = random.Chance(40);
  model.has_q_lora = random.Chance(60);
  const bool has_experts = model.type == "mixtral" || model.type.ends_with("moe") || model.IsDeepseek();
  if (has_experts) {
    model.experts = most_ranks + random.Between(0, 3);
    model.expert_size = model.type == "mixtral" ? model.intermediate : most_ranks * random.Between(1, 2);
    if (model.type == "qwen2_moe") model.shared_size = random.Chance(80) ? most_ranks * random.Between(1, 3) : 0;
    if (model.IsDeepseek()) model.shared_size = model.expert_size * random.Between(0, 2);
    if (model.type != "mixtral") model.first_moe = random.Between(0, model.layers);
  }
  ModelMaker maker(random, model);
  maker.Tensors();
  maker.Config();
  return model;
}

}  // namespace shardfs::testing
