#include "layout/mindie/state_dict.h"

#include <fmt/format.h>

#include <charconv>

#include "layout/mindie/tensor_rules.h"

namespace shardfs {
namespace {

// The number behind "layers." in a tensor's name; 0 when there is none.
std::uint64_t LayerOf(std::string_view name) {
  constexpr std::string_view kMarker = "layers.";
  const std::size_t at = name.find(kMarker);
  if (at == std::string_view::npos) return 0;
  std::uint64_t layer = 0;
  std::from_chars(name.data() + at + kMarker.size(), name.data() + name.size(), layer);
  return layer;
}

class StateDictBuilder {
 public:
  StateDictBuilder(const MindieModel& model, std::uint32_t rank, const std::array<bool, kMindieFolders>& wanted)
      : config_(model.config),
        weights_(model.weights),
        mapping_(model.mapping),
        options_(model.options),
        at_(model.mapping.At(rank)),
        wanted_(wanted),
        attention_group_{model.mapping.tp(), at_.attention_tp},
        world_group_{model.mapping.world_size(), rank},
        expert_group_{model.mapping.moe_tp(), at_.moe_tp},
        shared_expert_group_(SharedExpertGroup()) {}

  Result<MindieStateDict> Run() {
    SHARDFS_RETURN_IF_ERROR(Add("model.embed_tokens.weight", [&] { return Embedding(); }));
    for (std::uint64_t layer = 0; layer < weights_.layers.size(); ++layer) {
      SHARDFS_RETURN_IF_ERROR(AddLayer(layer, weights_.layers[layer]));
    }
    SHARDFS_RETURN_IF_ERROR(AddWhole("model.norm.weight", weights_.norm));
    if (weights_.mtp) SHARDFS_RETURN_IF_ERROR(AddMtp(*weights_.mtp));
    SHARDFS_RETURN_IF_ERROR(Add("lm_head.weight", [&] {
      return Split(*weights_.lm_head, 0, options_.dp_partition_up ? attention_group_ : world_group_);
    }));
    return std::move(result_);
  }

 private:
  // Appends what `build` gives under `name`, if the folder that the name decides is wanted.
  template <typename Build>
  Status Add(std::string name, Build&& build) {
    const auto folder = static_cast<std::size_t>(MindieFolderOf(name));
    if (!wanted_[folder]) return Status::Ok();
    Result<TensorPtr> tensor = build();
    if (!tensor.ok()) return tensor.status().WithContext(name);
    result_[folder].push_back({std::move(name), std::move(tensor).value()});
    return Status::Ok();
  }

  Status AddWhole(std::string name, const TensorInfo* info) {
    return Add(std::move(name), [&] { return Whole(*info); });
  }

  // Every float tensor is cast to the model's dtype as it is read (section 3.1, rule 4).
  Result<TensorPtr> Whole(const TensorInfo& info) const {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr source, SourceOf(info));
    return Tensor::Cast(std::move(source), config_.dtype);
  }

  Result<TensorPtr> Split(const TensorInfo& info, std::uint64_t axis, const SplitGroup& group) const {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr whole, Whole(info));
    return Shard(std::move(whole), axis, group);
  }

  // Columns of this rank, and one row of zeros below the vocabulary (section 3.3).
  Result<TensorPtr> Embedding() const {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr columns, Split(*weights_.embed_tokens, 1, attention_group_));
    return Tensor::PadZeros(std::move(columns), 0, 0, 1);
  }

  Status AddLayer(std::uint64_t index, const LayerWeights& layer) {
    const std::string prefix = fmt::format("model.layers.{}", index);
    SHARDFS_RETURN_IF_ERROR(AddAttention(prefix + ".self_attn", layer.attention));
    if (layer.dense) {
      SHARDFS_RETURN_IF_ERROR(AddMlp(prefix + ".mlp", *layer.dense, attention_group_));
    } else {
      SHARDFS_RETURN_IF_ERROR(AddMoe(prefix + ".mlp", layer));
    }
    SHARDFS_RETURN_IF_ERROR(AddWhole(prefix + ".input_layernorm.weight", layer.input_layernorm));
    return AddWhole(prefix + ".post_attention_layernorm.weight", layer.post_attention_layernorm);
  }

  Status AddAttention(const std::string& prefix, const AttentionWeights& attention) {
    const std::uint64_t heads = config_.heads / mapping_.tp();
    const std::uint64_t q_head = config_.nope_head_dim + config_.rope_head_dim;
    const auto query = [&](const LinearWeights& linear) -> Result<TensorPtr> {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, Split(*linear.weight, 0, attention_group_));
      return PermuteRopeRows(std::move(rows), q_head, config_.rope_head_dim);
    };
    if (config_.q_lora_rank) {
      SHARDFS_RETURN_IF_ERROR(AddWhole(prefix + ".q_a_proj.weight", attention.q_a_proj.weight));
      SHARDFS_RETURN_IF_ERROR(Add(prefix + ".q_b_proj.weight", [&] { return query(attention.q_b_proj); }));
    } else {
      SHARDFS_RETURN_IF_ERROR(Add(prefix + ".q_proj.weight", [&] { return query(attention.q_proj); }));
    }
    SHARDFS_RETURN_IF_ERROR(Add(prefix + ".kv_a_proj_with_mqa.weight", [&]() -> Result<TensorPtr> {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr whole, Whole(*attention.kv_a_proj_with_mqa.weight));
      return PermuteRopeRows(std::move(whole), config_.kv_lora_rank + config_.rope_head_dim, config_.rope_head_dim);
    }));
    SHARDFS_RETURN_IF_ERROR(AddWhole(prefix + ".kv_a_layernorm.weight", attention.kv_a_layernorm));
    SHARDFS_RETURN_IF_ERROR(Add(prefix + ".k_b_proj.weight", [&]() -> Result<TensorPtr> {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, Split(*attention.kv_b_proj.weight, 0, attention_group_));
      return KeyPartOfKvB(std::move(rows), heads, config_.nope_head_dim, config_.v_head_dim);
    }));
    SHARDFS_RETURN_IF_ERROR(Add(prefix + ".v_b_proj.weight", [&]() -> Result<TensorPtr> {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, Split(*attention.kv_b_proj.weight, 0, attention_group_));
      return ValuePartOfKvB(std::move(rows), heads, config_.nope_head_dim, config_.v_head_dim);
    }));
    SHARDFS_RETURN_IF_ERROR(
        Add(prefix + ".o_proj.weight", [&] { return Split(*attention.o_proj.weight, 1, attention_group_); }));
    if (!config_.q_lora_rank) return Status::Ok();
    return AddWhole(prefix + ".q_a_layernorm.weight", attention.q_a_layernorm);
  }

  // Gate rows first, then up rows (section 3.4).
  Result<TensorPtr> GateUp(const MlpWeights& mlp, const SplitGroup& group) const {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr gate, Split(*mlp.gate_proj.weight, 0, group));
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr up, Split(*mlp.up_proj.weight, 0, group));
    return Tensor::Concat({std::move(gate), std::move(up)}, 0);
  }

  Status AddMlp(const std::string& prefix, const MlpWeights& mlp, const SplitGroup& group) {
    SHARDFS_RETURN_IF_ERROR(Add(prefix + ".gate_up_proj.weight", [&] { return GateUp(mlp, group); }));
    return Add(prefix + ".down_proj.weight", [&] { return Split(*mlp.down_proj.weight, 1, group); });
  }

  Status AddMoe(const std::string& prefix, const LayerWeights& layer) {
    SHARDFS_RETURN_IF_ERROR(Add(prefix + ".gate.weight", [&]() -> Result<TensorPtr> {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, Whole(*layer.router));
      // The router is kept in F32, of values that were rounded to the model's dtype.
      if (config_.router_has_bias) {
        SHARDFS_ASSIGN_OR_RETURN(rows, Tensor::Cast(std::move(rows), Dtype::kF32));
      }
      return RotateRows(std::move(rows), FirstRouterRow());
    }));
    if (layer.router_bias != nullptr) {
      SHARDFS_RETURN_IF_ERROR(Add(prefix + ".gate.bias", [&]() -> Result<TensorPtr> {
        SHARDFS_ASSIGN_OR_RETURN(TensorPtr source, SourceOf(*layer.router_bias));
        SHARDFS_ASSIGN_OR_RETURN(TensorPtr shifted, Tensor::SubtractMin(std::move(source)));
        SHARDFS_ASSIGN_OR_RETURN(TensorPtr cast, Tensor::Cast(std::move(shifted), config_.dtype));
        return RotateRows(std::move(cast), FirstRouterRow());
      }));
    }
    SHARDFS_RETURN_IF_ERROR(Add(prefix + ".gate_up_proj.weight", [&] {
      return StackExperts(layer, [&](const MlpWeights& expert) { return GateUp(expert, expert_group_); });
    }));
    SHARDFS_RETURN_IF_ERROR(Add(prefix + ".down_proj.weight", [&] {
      return StackExperts(layer,
                          [&](const MlpWeights& expert) { return Split(*expert.down_proj.weight, 1, expert_group_); });
    }));
    if (!layer.shared_experts) return Status::Ok();
    return AddMlp(prefix + ".shared_experts", *layer.shared_experts, shared_expert_group_);
  }

  template <typename Build>
  Result<TensorPtr> StackExperts(const LayerWeights& layer, Build&& build) const {
    const std::uint64_t count = ExpertsPerRank();
    std::vector<TensorPtr> experts;
    experts.reserve(count);
    for (std::uint64_t e = 0; e < count; ++e) {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr expert, build(layer.experts[FirstExpert() + e]));
      experts.push_back(std::move(expert));
    }
    return Tensor::Stack(std::move(experts), 0);
  }

  Status AddMtp(const MtpWeights& mtp) {
    const std::string prefix = fmt::format("model.layers.{}", config_.layers);
    SHARDFS_RETURN_IF_ERROR(AddWhole(prefix + ".enorm.weight", mtp.enorm));
    SHARDFS_RETURN_IF_ERROR(AddWhole(prefix + ".hnorm.weight", mtp.hnorm));
    SHARDFS_RETURN_IF_ERROR(AddWhole(prefix + ".eh_proj.weight", mtp.eh_proj));
    SHARDFS_RETURN_IF_ERROR(AddLayer(config_.layers, mtp.layer));
    return AddWhole(prefix + ".shared_head.norm.weight", mtp.shared_head_norm);
  }

  std::uint64_t ExpertsPerRank() const { return config_.routed_experts / mapping_.moe_ep(); }
  std::uint64_t FirstExpert() const { return at_.moe_ep * ExpertsPerRank(); }
  std::uint64_t FirstRouterRow() const { return options_.RotatesRouter(mapping_) ? FirstExpert() : 0; }

  // Section 2, row "shared experts".
  SplitGroup SharedExpertGroup() const {
    if (mapping_.moe_ep() == 1) return world_group_;
    if (options_.ep_level == 2) return expert_group_;
    const bool data_parallel = mapping_.dp() > 1 || mapping_.cp() > 1;
    if (options_.enable_shared_expert_dp && data_parallel) return {};
    return world_group_;
  }

  const DeepseekConfig& config_;
  const DeepseekWeights& weights_;
  const MindieMapping& mapping_;
  const MindieOptions& options_;
  const MindieCoordinates at_;
  const std::array<bool, kMindieFolders>& wanted_;
  const SplitGroup attention_group_;
  const SplitGroup world_group_;
  const SplitGroup expert_group_;
  const SplitGroup shared_expert_group_;
  MindieStateDict result_;
};

}  // namespace

std::string MindieFolderName(MindieFolder folder, const MindieCoordinates& coordinates) {
  switch (folder) {
    case MindieFolder::kMoe:
      return fmt::format("model-moe-tp-{:03}-ep-{:03}", coordinates.moe_tp, coordinates.moe_ep);
    case MindieFolder::kDense:
      return fmt::format("model-dense-tp-{:03}", coordinates.attention_tp);
    case MindieFolder::kAttention:
      return fmt::format("model-attn-tp-{:03}", coordinates.attention_tp);
    case MindieFolder::kRank:
      return fmt::format("model-{:03}", coordinates.rank);
    case MindieFolder::kNorm:
      return "model-norm";
  }
  return {};
}

MindieFolder MindieFolderOf(std::string_view name) {
  const auto contains = [name](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (contains("norm")) return MindieFolder::kNorm;
  if (contains("self_attn")) return MindieFolder::kAttention;
  if (!contains("mlp")) return MindieFolder::kRank;
  return LayerOf(name) > kLastDenseFolderLayer ? MindieFolder::kMoe : MindieFolder::kDense;
}

Result<MindieStateDict> BuildMindieStateDict(const MindieModel& model, std::uint32_t rank,
                                             const std::array<bool, kMindieFolders>& wanted) {
  return StateDictBuilder(model, rank, wanted).Run();
}

}  // namespace shardfs
