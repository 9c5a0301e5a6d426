// A parameter's cut follows from which axis tensor parallelism splits, and which one holds the experts. The device
// matrix is [dp, tp], of experts [dp / ep, ep, tp], without the dimensions of size 1, as training writes it. The
// optimizer shard cuts axis 0 once more over the replicas, where it divides.
#include "tools/mindspore_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

namespace shardfs::tools {
namespace {

constexpr int kTp = 0;  // what splits an axis
constexpr int kEp = 1;
constexpr int kWhole = -1;

class ParameterList {
 public:
  ParameterList(const MindSporeShape& shape, const MindSporeSizes& sizes) : shape_(shape), sizes_(sizes) {}

  std::vector<MindSporeParameter> All() {
    const auto last = static_cast<std::uint32_t>(sizes_.pp - 1);
    std::vector<std::uint32_t> embedding = {0};
    if (shape_.tied && last > 0) embedding.push_back(last);
    stages_ = embedding;
    Add("model.tok_embeddings.embedding_weight", {shape_.vocab, shape_.hidden}, {kTp, kWhole});
    for (std::uint64_t layer = 0; layer < shape_.layers; ++layer) {
      stages_ = {static_cast<std::uint32_t>(layer * sizes_.pp / shape_.layers)};
      AddLayer(fmt::format("model.layers.{}.", layer), layer);
    }
    stages_ = {last};
    Add("model.norm_out.weight", {shape_.hidden}, {kWhole}, Dtype::kF32);
    if (!shape_.tied) Add("lm_head.weight", {shape_.vocab, shape_.hidden}, {kTp, kWhole});
    return std::move(parameters_);
  }

 private:
  void AddLayer(const std::string& prefix, std::uint64_t layer) {
    Add(prefix + "attention_norm.weight", {shape_.hidden}, {kWhole}, Dtype::kF32);
    Add(prefix + "ffn_norm.weight", {shape_.hidden}, {kWhole}, Dtype::kF32);
    if (shape_.kv_rows > 0) {
      AddAttention(prefix + "attention.");
    } else {
      AddLatentAttention(prefix + "attention.");
    }
    if (shape_.experts == 0 || layer < shape_.first_k_dense) {
      AddMlp(prefix + "feed_forward.", shape_.intermediate);
    } else {
      AddExperts(prefix + "feed_forward.");
    }
  }

  void AddAttention(const std::string& prefix) {
    Add(prefix + "wq.weight", {shape_.hidden, shape_.hidden}, {kTp, kWhole});
    Add(prefix + "wk.weight", {shape_.kv_rows, shape_.hidden}, {kTp, kWhole});
    Add(prefix + "wv.weight", {shape_.kv_rows, shape_.hidden}, {kTp, kWhole});
    Add(prefix + "wo.weight", {shape_.hidden, shape_.hidden}, {kWhole, kTp});
  }

  // The latent sizes are DeepSeek-V3's, in proportion to the hidden size.
  void AddLatentAttention(const std::string& prefix) {
    const std::uint64_t unit = shape_.hidden / 112;  // 64 where hidden is 7168
    Add(prefix + "q2l_proj.weight", {24 * unit, shape_.hidden}, {kWhole, kWhole});
    Add(prefix + "lq_norm.weight", {24 * unit}, {kWhole}, Dtype::kF32);
    Add(prefix + "l2q_proj.weight", {shape_.heads * 3 * unit, 24 * unit}, {kTp, kWhole});
    Add(prefix + "kv2l.weight", {9 * unit, shape_.hidden}, {kWhole, kWhole});
    Add(prefix + "lkv_norm.weight", {8 * unit}, {kWhole}, Dtype::kF32);
    Add(prefix + "lkv2kv.weight", {shape_.heads * 4 * unit, 8 * unit}, {kTp, kWhole});
    Add(prefix + "wo.weight", {shape_.hidden, shape_.heads * 2 * unit}, {kWhole, kTp});
  }

  void AddMlp(const std::string& prefix, std::uint64_t rows) {
    Add(prefix + "w1.weight", {rows, shape_.hidden}, {kTp, kWhole});
    Add(prefix + "w2.weight", {shape_.hidden, rows}, {kWhole, kTp});
    Add(prefix + "w3.weight", {rows, shape_.hidden}, {kTp, kWhole});
  }

  void AddExperts(const std::string& prefix) {
    const std::uint64_t experts = shape_.experts;
    const std::string routed = prefix + "routed_experts.";
    Add(routed + "router.dense.weight", {experts, shape_.hidden}, {kWhole, kWhole}, Dtype::kF32);
    Add(routed + "router.router.topk_bias", {experts}, {kWhole}, Dtype::kF32);
    Add(routed + "ffn.w1.weight", {experts, shape_.hidden, shape_.expert_rows}, {kEp, kWhole, kTp});
    Add(routed + "ffn.w2.weight", {experts, shape_.expert_rows, shape_.hidden}, {kEp, kTp, kWhole});
    Add(routed + "ffn.w3.weight", {experts, shape_.hidden, shape_.expert_rows}, {kEp, kWhole, kTp});
    AddMlp(prefix + "shared_experts.", shape_.expert_rows);
  }

  void Add(std::string name, Shape shape, const std::vector<int>& split, Dtype dtype = Dtype::kBF16) {
    MindSporeCutOf cut;
    const bool over_experts = std::find(split.begin(), split.end(), kEp) != split.end() && sizes_.ep > 1;
    std::vector<int> kinds;  // of the device dimensions, left to right
    const auto add_dimension = [&](std::uint64_t size, int kind) {
      if (size == 1) return;
      cut.devices.push_back(size);
      kinds.push_back(kind);
    };
    add_dimension(over_experts ? sizes_.dp / sizes_.ep : sizes_.dp, kWhole);
    if (over_experts) add_dimension(sizes_.ep, kEp);
    add_dimension(sizes_.tp, kTp);
    if (cut.devices.empty()) cut.devices = {1};
    for (const int kind : split) {
      const auto at = std::find(kinds.begin(), kinds.end(), kind);
      const bool is_cut = kind != kWhole && at != kinds.end();
      cut.axes.push_back(is_cut ? std::vector{static_cast<std::int32_t>(kinds.end() - at - 1)}
                                : std::vector<std::int32_t>{});
    }
    AddOptimizerShard(cut, shape);
    parameters_.push_back({{std::move(name), dtype, std::move(shape)}, std::move(cut), stages_});
  }

  // The step is the distance of two neighbours among the replicas of a slice.
  void AddOptimizerShard(MindSporeCutOf& cut, const Shape& shape) const {
    if (sizes_.optimizer_shard == 0) return;
    std::vector<bool> used(cut.devices.size());
    std::uint64_t rows = shape[0];
    for (std::size_t a = 0; a < cut.axes.size(); ++a) {
      for (const std::int32_t t : cut.axes[a]) {
        const std::size_t d = cut.devices.size() - 1 - static_cast<std::size_t>(t);
        used[d] = true;
        if (a == 0) rows /= cut.devices[d];
      }
    }
    std::uint64_t replicas = 1;
    std::uint64_t step = 0;
    std::uint64_t right = 1;
    for (std::size_t d = cut.devices.size(); d-- > 0; right *= cut.devices[d]) {
      if (used[d] || cut.devices[d] == 1) continue;
      if (step == 0) step = right;
      replicas *= cut.devices[d];
    }
    const auto asked = static_cast<std::uint64_t>(std::max<std::int64_t>(sizes_.optimizer_shard, 1));
    const std::uint64_t parts = sizes_.optimizer_shard < 0 ? replicas : std::min(asked, replicas);
    if (parts <= 1 || replicas % parts != 0 || rows % parts != 0) return;
    cut.shard_step = static_cast<std::int32_t>(step);
    cut.shard_size = parts == replicas ? -1 : static_cast<std::int32_t>(parts);
  }

  const MindSporeShape& shape_;
  const MindSporeSizes& sizes_;
  std::vector<std::uint32_t> stages_;
  std::vector<MindSporeParameter> parameters_;
};

}  // namespace

const std::vector<MindSporePreset>& MindSporePresets() {
  static const std::vector<MindSporePreset> presets = {
      {"llama-small", {.layers = 4, .hidden = 64, .kv_rows = 32, .intermediate = 96, .vocab = 128, .tied = false}},
      {"deepseek-small",
       {.layers = 4,
        .hidden = 112,
        .intermediate = 192,
        .vocab = 128,
        .experts = 16,
        .expert_rows = 32,
        .first_k_dense = 1,
        .heads = 16,
        .tied = true}},
      {"llama-3-70b", {.layers = 80, .hidden = 8192, .kv_rows = 1024, .intermediate = 28672, .vocab = 128256}},
      {"deepseek-v3",
       {.layers = 61,
        .hidden = 7168,
        .intermediate = 18432,
        .vocab = 129280,
        .experts = 256,
        .expert_rows = 2048,
        .first_k_dense = 3,
        .heads = 128}},
  };
  return presets;
}

const MindSporePreset* FindMindSporePreset(std::string_view name) {
  for (const MindSporePreset& preset : MindSporePresets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

Result<std::vector<MindSporeParameter>> MindSporeParameters(const MindSporeShape& shape, const MindSporeSizes& sizes) {
  if (sizes.dp == 0 || sizes.tp == 0 || sizes.pp == 0 || sizes.ep == 0) {
    return Status::InvalidArgument("a parallel size is 0");
  }
  if (sizes.dp % sizes.ep != 0) {
    return Status::InvalidArgument(fmt::format("dp {} does not divide by ep {}", sizes.dp, sizes.ep));
  }
  if (shape.layers < sizes.pp) {
    return Status::InvalidArgument(fmt::format("{} layers are fewer than {} stages", shape.layers, sizes.pp));
  }
  std::vector<MindSporeParameter> parameters = ParameterList(shape, sizes).All();
  for (const MindSporeParameter& parameter : parameters) {
    SHARDFS_RETURN_IF_ERROR(
        BoxOf(parameter.cut, parameter.tensor.shape, 0).status().WithContext(parameter.tensor.name));
  }
  return parameters;
}

}  // namespace shardfs::tools
