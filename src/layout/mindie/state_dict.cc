#include "layout/mindie/state_dict.h"

#include <fmt/format.h>

#include <charconv>

#include "layout/mindie/attention_tensors.h"
#include "layout/mindie/linear_tensors.h"
#include "layout/mindie/state_dict_writer.h"
#include "layout/mindie/tensor_rules.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/subtract_min.h"

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
      : model_(model),
        config_(model.config),
        weights_(model.weights),
        mapping_(model.mapping),
        at_(model.mapping.At(rank)),
        attention_group_{mapping_.tp(), at_.attention_tp},
        world_group_{mapping_.world_size(), rank},
        expert_group_{mapping_.moe_tp(), at_.moe_tp},
        dense_group_(DenseGroup()),
        shared_expert_group_(SharedExpertGroup()),
        writer_(model, wanted) {}

  Result<MindieStateDict> Run() {
    SHARDFS_RETURN_IF_ERROR(writer_.Add("model.embed_tokens.weight", [&] { return Embedding(); }));
    for (std::uint64_t layer = 0; layer < weights_.layers.size(); ++layer) {
      SHARDFS_RETURN_IF_ERROR(AddLayer(layer, weights_.layers[layer], false));
    }
    SHARDFS_RETURN_IF_ERROR(writer_.AddWhole("model.norm.weight", weights_.norm));
    if (weights_.mtp) SHARDFS_RETURN_IF_ERROR(AddMtp(*weights_.mtp));
    SHARDFS_RETURN_IF_ERROR(writer_.AddInLinear("lm_head.weight", LinearKind::kFloat, [&]() -> Result<TensorPtr> {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr whole, writer_.Whole(*weights_.lm_head));
      return Shard(std::move(whole), 0, model_.options.dp_partition_up ? attention_group_ : world_group_);
    }));
    return std::move(writer_).Take();
  }

 private:
  bool IsLoader() const { return model_.fidelity == MindieFidelity::kLoader; }

  // Columns of this rank, and a row of zeros below the vocabulary (section 3.3), which the loader appends itself.
  Result<TensorPtr> Embedding() const {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr whole, writer_.Whole(*weights_.embed_tokens));
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr columns, Shard(std::move(whole), 1, attention_group_));
    return Tensor::PadZeros(std::move(columns), 0, 0, IsLoader() ? 0 : 1);
  }

  Status AddLayer(std::uint64_t index, const LayerWeights& layer, bool is_mtp) {
    const std::string prefix = fmt::format("model.layers.{}", index);
    const AttentionCut cut{mapping_.tp(), at_.attention_tp, mapping_.sp() > 1};
    SHARDFS_RETURN_IF_ERROR(
        AddAttention(prefix + ".self_attn", layer.attention, weights_.has_fa3, cut, config_, &writer_));
    if (layer.dense) {
      SHARDFS_RETURN_IF_ERROR(AddMlp(prefix + ".mlp", *layer.dense, dense_group_, layer.post_attention_layernorm));
    } else {
      SHARDFS_RETURN_IF_ERROR(AddMoe(prefix + ".mlp", layer, is_mtp));
    }
    SHARDFS_RETURN_IF_ERROR(writer_.AddNorm(prefix + ".input_layernorm", layer.input_layernorm));
    return writer_.AddNorm(prefix + ".post_attention_layernorm", layer.post_attention_layernorm);
  }

  Status AddMlp(const std::string& prefix, const MlpWeights& mlp, const SplitGroup& group, const NormWeights& norm) {
    const LinearWeights* const gate_up[] = {&mlp.gate_proj, &mlp.up_proj};
    const LinearWeights* const down[] = {&mlp.down_proj};
    SHARDFS_RETURN_IF_ERROR(writer_.AddLinear(prefix + ".gate_up_proj", gate_up, {LinearRole::kColumn, group}));
    writer_.DescribeGateUp(prefix, mlp.gate_proj.kind, config_.quantize, norm);
    return writer_.AddLinear(prefix + ".down_proj", down, {LinearRole::kRow, group});
  }

  Status AddMoe(const std::string& prefix, const LayerWeights& layer, bool is_mtp) {
    SHARDFS_RETURN_IF_ERROR(AddRouter(prefix, layer));
    std::vector<std::vector<const LinearWeights*>> gate_up;
    std::vector<std::vector<const LinearWeights*>> down;
    for (std::uint64_t e = FirstExpert(); e < FirstExpert() + ExpertsPerRank(); ++e) {
      gate_up.push_back({&layer.experts[e].gate_proj, &layer.experts[e].up_proj});
      down.push_back({&layer.experts[e].down_proj});
    }
    SHARDFS_RETURN_IF_ERROR(
        writer_.AddStackedLinear(prefix + ".gate_up_proj", gate_up, {LinearRole::kColumn, expert_group_}));
    writer_.DescribeGateUp(prefix, gate_up[0][0]->kind, config_.ExpertQuantize(is_mtp), layer.post_attention_layernorm);
    SHARDFS_RETURN_IF_ERROR(writer_.AddStackedLinear(prefix + ".down_proj", down, {LinearRole::kRow, expert_group_}));
    if (!layer.shared_experts) return Status::Ok();
    return AddMlp(prefix + ".shared_experts", *layer.shared_experts, shared_expert_group_, NormWeights{});
  }

  Status AddRouter(const std::string& prefix, const LayerWeights& layer) {
    SHARDFS_RETURN_IF_ERROR(
        writer_.AddInLinear(prefix + ".gate.weight", LinearKind::kFloat, [&]() -> Result<TensorPtr> {
          SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, writer_.Whole(*layer.router));
          // The router is kept in F32, of values that were rounded to the model's dtype.
          if (config_.router_has_bias) {
            SHARDFS_ASSIGN_OR_RETURN(rows, ops::Cast(std::move(rows), Dtype::kF32));
          }
          return RotateRows(std::move(rows), FirstRouterRow());
        }));
    if (layer.router_bias == nullptr) return Status::Ok();
    return writer_.AddInLinear(prefix + ".gate.bias", LinearKind::kFloat, [&]() -> Result<TensorPtr> {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr source, writer_.Source(*layer.router_bias));
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr shifted, ops::SubtractMin(std::move(source)));
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr cast, ops::Cast(std::move(shifted), config_.dtype));
      return RotateRows(std::move(cast), FirstRouterRow());
    });
  }

  Status AddMtp(const MtpWeights& mtp) {
    const std::string prefix = fmt::format("model.layers.{}", config_.layers);
    SHARDFS_RETURN_IF_ERROR(writer_.AddWhole(prefix + ".enorm.weight", mtp.enorm));
    SHARDFS_RETURN_IF_ERROR(writer_.AddWhole(prefix + ".hnorm.weight", mtp.hnorm));
    SHARDFS_RETURN_IF_ERROR(writer_.AddWhole(prefix + ".eh_proj.weight", mtp.eh_proj));
    SHARDFS_RETURN_IF_ERROR(AddLayer(config_.layers, mtp.layer, true));
    return writer_.AddWhole(prefix + ".shared_head.norm.weight", mtp.shared_head_norm);
  }

  std::uint64_t ExpertsPerRank() const { return config_.routed_experts / mapping_.moe_ep(); }
  std::uint64_t FirstExpert() const { return at_.moe_ep * ExpertsPerRank(); }
  // The loader rotates whatever it reads, so its variant has the source's order.
  std::uint64_t FirstRouterRow() const {
    return !IsLoader() && model_.options.RotatesRouter(mapping_) ? FirstExpert() : 0;
  }

  SplitGroup DenseGroup() const {
    const std::uint32_t local = model_.options.dense_mlp_local_tp;
    return local > 1 ? SplitGroup{local, at_.rank % local} : attention_group_;
  }

  // Section 2, row "shared experts".
  SplitGroup SharedExpertGroup() const {
    if (mapping_.moe_ep() == 1) return world_group_;
    if (model_.options.ep_level == 2) return expert_group_;
    const bool data_parallel = mapping_.dp() > 1 || mapping_.cp() > 1;
    if (model_.options.enable_shared_expert_dp && data_parallel) return {};
    return world_group_;
  }

  const MindieModel& model_;
  const DeepseekConfig& config_;
  const DeepseekWeights& weights_;
  const MindieMapping& mapping_;
  const MindieCoordinates at_;
  const SplitGroup attention_group_;
  const SplitGroup world_group_;
  const SplitGroup expert_group_;
  const SplitGroup dense_group_;
  const SplitGroup shared_expert_group_;
  StateDictWriter writer_;
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

MindieFolder MindieFolderOf(std::string_view name, const MindieModel& model) {
  const MindieFolder folder = MindieFolderOf(name);
  if (folder != MindieFolder::kDense || model.fidelity != MindieFidelity::kLoader) return folder;
  const bool differs_between_ranks = model.config.IsMoe(LayerOf(name)) || model.options.dense_mlp_local_tp > 1;
  return differs_between_ranks ? MindieFolder::kMoe : MindieFolder::kDense;
}

Result<MindieStateDict> BuildMindieStateDict(const MindieModel& model, std::uint32_t rank,
                                             const std::array<bool, kMindieFolders>& wanted) {
  return StateDictBuilder(model, rank, wanted).Run();
}

}  // namespace shardfs
