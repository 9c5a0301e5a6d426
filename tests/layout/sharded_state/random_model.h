// A random model of one of the families that the layout covers: config.json and tensors, written down from the spec and
// not from the layout's own rules.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "layout/sharded_state/memory_checkpoint.h"

namespace shardfs::testing {

// Choices from a seed, the same on every machine.
class RandomChoices {
 public:
  explicit RandomChoices(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t Between(std::uint64_t low, std::uint64_t high) { return low + engine_() % (high - low + 1); }
  bool Chance(std::uint64_t percent) { return Between(1, 100) <= percent; }
  template <typename T>
  T OneOf(const std::vector<T>& choices) {
    return choices[Between(0, choices.size() - 1)];
  }

 private:
  std::mt19937_64 engine_;
};

struct RandomModel {
  std::string type;  // model_type
  std::uint64_t layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t vocab = 0;
  std::uint64_t heads = 0;
  std::uint64_t kv_heads = 0;
  std::uint64_t head_dim = 0;
  std::uint64_t intermediate = 0;
  std::uint64_t experts = 0;  // 0: a dense model
  std::uint64_t expert_size = 0;
  std::uint64_t shared_size = 0;  // 0: no shared experts
  std::uint64_t first_moe = 0;
  bool is_tied = false;
  bool has_bias = false;  // attention_bias, and mlp_bias of llama
  bool has_q_lora = false;
  Dtype dtype = Dtype::kBF16;
  MemoryTensors tensors;
  std::string config;

  bool IsDeepseek() const { return type.starts_with("deepseek"); }
  bool IsLlama() const { return type == "llama" || type == "mistral"; }
  bool IsMoe(std::uint64_t layer) const { return experts > 0 && layer >= first_moe; }
};

// `most_ranks`: every size divides by it.
RandomModel MakeRandomModel(RandomChoices& random, std::uint64_t most_ranks);

}  // namespace shardfs::testing
