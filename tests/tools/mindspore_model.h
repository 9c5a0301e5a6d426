// The parameters of a model as MindSpore Transformers names and cuts them, at any parallel sizes.
//
// Thread-safety: constants and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/format/safetensors/header.h"
#include "tools/mindspore_strategy.h"

namespace shardfs::tools {

// The ranks of a stage are dp * tp; the experts are spread over `ep` of the data-parallel ranks.
struct MindSporeSizes {
  std::uint64_t dp = 1;
  std::uint64_t tp = 1;
  std::uint64_t pp = 1;
  std::uint64_t ep = 1;              // divides dp
  std::int64_t optimizer_shard = 0;  // parts; 0: none; -1: as many as there are replicas

  std::uint64_t ranks() const { return dp * tp * pp; }
};

struct MindSporeShape {
  std::uint64_t layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t kv_rows = 0;       // rows of wk and wv; 0: latent attention as DeepSeek-V3 has it
  std::uint64_t intermediate = 0;  // of a dense MLP
  std::uint64_t vocab = 0;
  std::uint64_t experts = 0;  // of a MoE layer, stacked in one tensor; 0: every layer is dense
  std::uint64_t expert_rows = 0;
  std::uint64_t first_k_dense = 0;
  std::uint64_t heads = 0;  // latent attention alone asks for it
  bool tied = false;        // the last stage has the embedding too
};

struct MindSporePreset {
  std::string_view name;
  MindSporeShape shape;
};

// "llama-small" and "deepseek-small" take some hundred kilobytes, "llama-3-70b" and "deepseek-v3" are true to scale.
const std::vector<MindSporePreset>& MindSporePresets();
const MindSporePreset* FindMindSporePreset(std::string_view name);  // nullptr where there is none

struct MindSporeParameter {
  NewTensor tensor;  // whole
  MindSporeCutOf cut;
  std::vector<std::uint32_t> stages;  // that have it, ascending
};

// All parameters, weights alone, in the order of the layers. kInvalidArgument for sizes that do not divide.
Result<std::vector<MindSporeParameter>> MindSporeParameters(const MindSporeShape& shape, const MindSporeSizes& sizes);

}  // namespace shardfs::tools
