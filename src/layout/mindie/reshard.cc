#include "layout/mindie/reshard.h"

#include <fmt/format.h>

#include "layout/mindie/reader/merge_losses.h"
#include "layout/mindie/reader/mindie_reader.h"

namespace shardfs {
namespace {

// The first layer of routed experts of that kind; nullptr when there is none.
const LayerWeights* FirstW4A8Layer(const DeepseekWeights& weights) {
  const auto is_w4a8 = [](const LayerWeights& layer) {
    return !layer.experts.empty() && layer.experts.front().down_proj.kind == LinearKind::kW4A8Dynamic;
  };
  for (const LayerWeights& layer : weights.layers) {
    if (is_w4a8(layer)) return &layer;
  }
  return weights.mtp && is_w4a8(weights.mtp->layer) ? &weights.mtp->layer : nullptr;
}

// Whether MoE layers have anti-outlier norms in front of attention and none is described in front of the experts.
bool LacksAntiKeys(const DeepseekWeights& weights) {
  bool has_pair = false;
  const auto look = [&](const LayerWeights& layer) {
    if (layer.experts.empty()) return false;
    has_pair |= layer.input_layernorm.is_described_anti || layer.input_layernorm.anti_weight != nullptr;
    return layer.post_attention_layernorm.is_described_anti;
  };
  for (const LayerWeights& layer : weights.layers) {
    if (look(layer)) return false;
  }
  return !(weights.mtp && look(weights.mtp->layer)) && has_pair;
}

}  // namespace

bool IsReshardedWithMtp(const Checkpoint& checkpoint) {
  if (ShardsOf(checkpoint).empty()) return false;
  const auto config = checkpoint.config();
  const JsonValue* const layers = config.ok() ? (*config)->Find("num_hidden_layers") : nullptr;
  const auto number = layers == nullptr ? std::nullopt : layers->AsInt64();
  return number && checkpoint.Find(fmt::format("model.layers.{}.eh_proj.weight", *number)) != nullptr;
}

std::vector<std::string> ReshardWarnings(const DeepseekWeights& weights, const MindieMapping& mapping,
                                         MindieFidelity fidelity) {
  std::vector<std::string> warnings;
  const std::string shards = ShardsOf(*weights.checkpoint);
  if (shards.empty()) return warnings;
  const LayerWeights* const layer = FirstW4A8Layer(weights);
  if (layer != nullptr && layer->experts.front().down_proj.scale_bias->shape[1] != mapping.moe_tp()) {
    warnings.push_back(fmt::format(
        "W4A8: down_proj.bias of routed experts is added up from the sums of {} ranks, in another order than from the "
        "original: its last bits may differ from a directory that was made from that, all other bytes do not",
        layer->experts.front().down_proj.scale_bias->shape[1]));
  }
  const bool was_sharders = shards.ends_with(DescribeVariant(MindieFidelity::kSharder));
  if (was_sharders && fidelity == MindieFidelity::kLoader && LacksAntiKeys(weights)) {
    warnings.push_back(
        "anti-outlier norms: weight_sharder does not record whether MoE layers have them at post_attention_layernorm, "
        "so "
        "the description lacks post_attention_layernorm.module.weight of these layers; tensors are complete");
  }
  return warnings;
}

}  // namespace shardfs
