// Sizes of the parallel groups say which heads and experts a rank has. Among how many ranks the dense MLP, the shared
// experts and lm_head are split depends on options and kinds as well, so it is taken from the shapes in the view itself.
#include "layout/mindie/rank_parts.h"

#include <algorithm>
#include <string_view>

namespace shardfs {
namespace {

// The rank `i` of `k` that split `whole` as the slice rule does: the last ones may be short, or have nothing.
RankPart SliceOf(std::uint64_t whole, std::uint64_t k, std::uint64_t i) {
  if (whole == 0 || k == 0) return {};
  const std::uint64_t step = (whole + k - 1) / k;
  return {std::min(i * step, whole), std::min((i + 1) * step, whole), whole};
}

// Among how many ranks some tensors are split, as their shapes tell; 0 where the model has none.
struct Splits {
  std::uint64_t dense = 0;
  std::uint64_t shared = 0;
  std::uint64_t lm_head = 0;
};

std::uint64_t PartsOf(std::uint64_t whole, std::uint64_t part) { return part == 0 ? 0 : (whole + part - 1) / part; }

void LookForSplits(const VirtualFile& file, const DeepseekConfig& config, Splits& splits) {
  for (const FileTensor& tensor : file.tensors()) {
    if (tensor.name == "lm_head.weight" && !tensor.shape.empty()) {
      splits.lm_head = PartsOf(config.vocab_size, tensor.shape.front());
    }
    if (!tensor.name.ends_with("down_proj.weight") || tensor.shape.size() != 2) continue;
    if (tensor.name.find("shared_experts") != std::string::npos) {
      splits.shared = PartsOf(config.moe_intermediate_size * config.shared_experts, tensor.shape.back());
    } else {
      splits.dense = PartsOf(config.intermediate_size, tensor.shape.back());
    }
  }
}

bool HasExperts(const VirtualFile& file) {
  return std::any_of(file.tensors().begin(), file.tensors().end(), [](const FileTensor& tensor) {
    return tensor.shape.size() == 3 && tensor.name.ends_with("mlp.down_proj.weight");
  });
}

}  // namespace

void DescribeRanks(const DeepseekConfig& config, const MindieMapping& mapping, View* view) {
  Splits splits;
  bool has_experts = false;
  for (const VirtualNode& node : view->tree->nodes()) {
    if (node.is_directory()) continue;
    LookForSplits(*node.file, config, splits);
    has_experts = has_experts || HasExperts(*node.file);
  }
  view->layers = static_cast<std::uint32_t>(config.layers);
  view->expert_groups = has_experts ? mapping.moe_ep() : 0;
  for (std::uint32_t rank = 0; rank < view->world_size; ++rank) {
    const MindieCoordinates at = mapping.At(rank);
    // Every group that splits a tensor consists of consecutive ranks.
    const auto slice = [rank](std::uint64_t parts) {
      return parts == 0 ? RankPart() : SliceOf(parts, parts, rank % parts);
    };
    RankDescription description;
    description.expert_group = at.moe_ep;
    description.heads = SliceOf(config.heads, mapping.tp(), at.attention_tp);
    description.dense_slice = slice(splits.dense);
    description.shared_slice = slice(splits.shared);
    description.head_slice = slice(splits.lm_head);
    if (config.first_dense_layers < config.layers) {
      description.experts = SliceOf(config.routed_experts, mapping.moe_ep(), at.moe_ep);
      description.expert_slice = SliceOf(mapping.moe_tp(), mapping.moe_tp(), at.moe_tp);
    }
    view->ranks.push_back(description);
  }
}

}  // namespace shardfs
