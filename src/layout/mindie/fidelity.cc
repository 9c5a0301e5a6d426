#include "layout/mindie/fidelity.h"

#include <fmt/format.h>

#include <cstring>
#include <functional>
#include <vector>

#include "layout/mindie/attention_tensors.h"
#include "layout/mindie/json_files.h"
#include "layout/mindie/reader/mindie_reader.h"
#include "layout/mindie/tensor_rules.h"
#include "shardfs/tensor/read_plan.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/cast.h"

namespace shardfs {
namespace {

// Each layer that is shown, with its index and whether it is the MTP layer.
void ForEachLayer(const DeepseekWeights& weights,
                  const std::function<void(std::uint64_t, const LayerWeights&, bool)>& visit) {
  for (std::uint64_t layer = 0; layer < weights.layers.size(); ++layer) visit(layer, weights.layers[layer], false);
  if (weights.mtp) visit(weights.layers.size(), weights.mtp->layer, true);
}

// Why weight_sharder's directory does not hold all of the model; empty when it does.
std::string WhatSharderLoses(const DeepseekConfig& config, const DeepseekWeights& weights,
                             const MindieOptions& options) {
  if (options.dense_mlp_local_tp > 1) {
    return fmt::format(
        "dense_mlp_local_tp is {}, and weight_sharder puts dense layers into folders that ranks with "
        "different slices overwrite",
        options.dense_mlp_local_tp);
  }
  std::string loss;
  ForEachLayer(weights, [&](std::uint64_t index, const LayerWeights& layer, bool) {
    if (index > kLastDenseFolderLayer || layer.experts.empty() || !loss.empty()) return;
    loss = fmt::format(
        "layer {} has experts (first_k_dense_replace {}, num_hidden_layers {}), but weight_sharder puts "
        "layers up to {} into folders that ranks with different experts overwrite",
        index, config.first_dense_layers, config.layers, kLastDenseFolderLayer);
  });
  return loss;
}

// Why MindIE's loader does not read weight_sharder's directory as it should; empty when it does.
std::string WhyLoadDiffers(const EffectiveConfig& effective, const DeepseekConfig& config,
                           const DeepseekWeights& weights, const MindieMapping& mapping, const MindieOptions& options) {
  if (std::string lost = WhyDescriptionIsLost(effective); !lost.empty()) return lost;
  if (options.RotatesRouter(mapping)) {
    return fmt::format(
        "with dp {}, cp {} and moe_ep {} MindIE's loader rotates router rows that weight_sharder has rotated "
        "already, and routes tokens to wrong experts",
        mapping.dp(), mapping.cp(), mapping.moe_ep());
  }
  std::string reason;
  const auto check_float = [&](std::uint64_t index, const MlpWeights& mlp, const std::string& quantize) {
    if (mlp.gate_proj.kind != LinearKind::kFloat || quantize.empty() || quantize == "w8a8_dynamic") return;
    reason = fmt::format(
        "layer {} has a float MLP in a {} model, which MindIE's loader cannot load as weight_sharder "
        "describes it",
        index, quantize);
  };
  ForEachLayer(weights, [&](std::uint64_t index, const LayerWeights& layer, bool is_mtp) {
    if (!reason.empty()) return;
    if (layer.input_layernorm.is_described_anti || layer.post_attention_layernorm.is_described_anti) {
      reason = fmt::format(
          "layer {} has anti-outlier norms, which MindIE's loader cannot load as weight_sharder writes them", index);
      return;
    }
    if (layer.dense) check_float(index, *layer.dense, config.quantize);
    if (layer.shared_experts) check_float(index, *layer.shared_experts, config.quantize);
    if (!layer.experts.empty()) check_float(index, layer.experts.front(), config.ExpertQuantize(is_mtp));
  });
  return reason;
}

// Whether all of a rank's 1 / fa_q.scale are exactly 1, which the loader takes for a layer without FA3.
Result<bool> LooksUnquantised(const Checkpoint& checkpoint, const TensorSpec& scale, Dtype dtype, std::uint64_t tp) {
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr source, checkpoint.Build(scale));
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr cast, ops::Cast(std::move(source), dtype));
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr query, ops::Reciprocal(std::move(cast)));
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr wide, ops::Cast(std::move(query), Dtype::kF32));
  SHARDFS_ASSIGN_OR_RETURN(const ReadPlan plan, LowerToPlan(wide));
  std::vector<float> values(wide->elements());
  SHARDFS_RETURN_IF_ERROR(plan.ReadAt(0, std::as_writable_bytes(std::span(values))));
  const std::size_t share = values.size() / tp;
  for (std::size_t rank = 0; rank < tp; ++rank) {
    bool all_one = share > 0;
    for (std::size_t i = 0; i < share; ++i) all_one = all_one && values[rank * share + i] == 1.0f;
    if (all_one) return true;
  }
  return false;
}

// What no directory can make the loader read right (section 2 of the variant's specification).
Status CheckLoaderCan(const DeepseekConfig& config, const DeepseekWeights& weights, const MindieMapping& mapping) {
  Status status;
  ForEachLayer(weights, [&](std::uint64_t index, const LayerWeights& layer, bool) {
    if (!status.ok()) return;
    if (!layer.experts.empty() && config.dtype == Dtype::kF16) {
      const LinearWeights& gate = layer.experts.front().gate_proj;
      if (gate.kind == LinearKind::kW8A8 && IsFloat(gate.deq_scale->dtype)) {
        status = Status::NotSupported(fmt::format(
            "layer {} has W8A8 experts with a float deq_scale in an F16 model: no directory makes MindIE's loader "
            "read them as an ordinary load does (fidelity=sharder shows weight_sharder's bytes)",
            index));
      }
    }
    if (layer.attention.fa_q_scale == nullptr || !status.ok()) return;
    const Result<bool> unquantised = LooksUnquantised(*weights.checkpoint, *layer.attention.fa_q_scale, config.dtype, mapping.tp());
    if (!unquantised.ok()) {
      status = unquantised.status();
    } else if (*unquantised) {
      status = Status::NotSupported(fmt::format(
          "layer {} has an fa_q.scale of ones on a rank, which MindIE's loader takes for a layer without FA3", index));
    }
  });
  return status;
}

}  // namespace

std::string WhyDescriptionIsLost(const EffectiveConfig& effective) {
  if (!effective.quantize_is_described() || effective.description()->has_version()) return {};
  return fmt::format(
      "config.json has no \"quantize\", and {} has no version, so weight_sharder writes {}, which MindIE's loader does "
      "not look for",
      effective.description()->file_name(), MindieDescriptionName(*effective.description(), effective.quantize()));
}

Result<MindieFidelity> ChooseFidelity(const EffectiveConfig& effective, const DeepseekConfig& config,
                                      const DeepseekWeights& weights, const MindieMapping& mapping,
                                      const MindieOptions& options) {
  if (options.fidelity == MindieFidelity::kLoader) {
    SHARDFS_RETURN_IF_ERROR(CheckLoaderCan(config, weights, mapping));
    return MindieFidelity::kLoader;
  }
  const std::string loss = WhatSharderLoses(config, weights, options);
  if (!loss.empty()) {
    std::string message =
        fmt::format("{}, and loses data; -O fidelity=loader shows a directory that MindIE loads right", loss);
    // A merged source holds everything, so that it is the option which is wrong.
    if (!ShardsOf(*weights.checkpoint).empty()) return Status::InvalidArgument(std::move(message));
    return Status::NotSupported(std::move(message));
  }
  if (options.fidelity) return *options.fidelity;
  const std::string difference = WhyLoadDiffers(effective, config, weights, mapping, options);
  if (difference.empty()) return MindieFidelity::kSharder;
  return Status::InvalidArgument(
      fmt::format("{}.\nGive -O fidelity=loader for a directory that MindIE loads right, or -O fidelity=sharder for "
                  "weight_sharder's own bytes",
                  difference));
}

}  // namespace shardfs
