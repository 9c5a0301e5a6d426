#include "report/plan_html_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "checkpoint/tensor_name.h"

namespace shardfs {
namespace {

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::size_t Index(WeightClass weight_class) { return static_cast<std::size_t>(weight_class); }

// Bytes of one file by class and by layer; -1 stands for tensors of no layer.
struct FileSums {
  ClassBytes by_class{};
  std::map<std::int64_t, std::uint64_t> by_layer;
  std::uint64_t rest = 0;  // header, or the whole file where it has no tensors
};

// The layers that have routed experts.
struct ExpertLayers {
  std::set<std::uint32_t> stacked;   // whose MLP has an axis more than a dense one: that of the experts
  std::set<std::uint32_t> separate;  // with one tensor for each expert
};

void LookForExperts(const VirtualFile& file, ExpertLayers& layers) {
  for (const FileTensor& tensor : file.tensors()) {
    const auto layer = LayerOfTensor(tensor.name);
    if (!layer) continue;
    if (tensor.shape.size() == 3 && tensor.name.ends_with("mlp.down_proj.weight")) layers.stacked.insert(*layer);
    if (Contains(tensor.name, ".experts.")) layers.separate.insert(*layer);
  }
}

// Whether the map shows the layer's experts: separate ones only where the layout says which rank has which.
bool HasExperts(const ExpertLayers& layers, bool says_which, std::uint32_t layer) {
  return layers.stacked.contains(layer) || (says_which && layers.separate.contains(layer));
}

FileSums Add(const VirtualFile& file, const std::set<std::uint32_t>& expert_layers) {
  FileSums sums;
  sums.rest = file.size();
  for (const FileTensor& tensor : file.tensors()) {
    const std::uint64_t bytes = tensor.end - tensor.begin;
    const auto layer = LayerOfTensor(tensor.name);
    const WeightClass weight_class = ClassOf(tensor.name, layer && expert_layers.contains(*layer));
    sums.by_class[Index(weight_class)] += bytes;
    sums.by_layer[layer ? static_cast<std::int64_t>(*layer) : -1] += bytes;
    sums.rest -= bytes;
  }
  sums.by_class[Index(WeightClass::kFiles)] += sums.rest;
  return sums;
}

}  // namespace

Text WeightClassName(WeightClass weight_class) {
  switch (weight_class) {
    case WeightClass::kRoutedExperts:
      return Tr("routed experts");
    case WeightClass::kSharedExperts:
      return Tr("shared experts");
    case WeightClass::kAttention:
      return Tr("attention");
    case WeightClass::kDense:
      return Tr("dense MLP");
    case WeightClass::kEmbedding:
      return Tr("embedding and lm_head");
    case WeightClass::kSmall:
      return Tr("norms and routers");
    case WeightClass::kOther:
      return Tr("other weights");
    default:
      return Tr("headers and other files");
  }
}

WeightClass ClassOf(std::string_view name, bool stacked) {
  if (Contains(name, "norm") || Contains(name, "mlp.gate.") || Contains(name, "block_sparse_moe.gate.")) {
    return WeightClass::kSmall;
  }
  if (Contains(name, "self_attn.")) return WeightClass::kAttention;
  if (Contains(name, "mlp.shared_experts.")) return WeightClass::kSharedExperts;
  if (Contains(name, "mlp.experts.") || Contains(name, "block_sparse_moe.experts.")) return WeightClass::kRoutedExperts;
  if (Contains(name, "mlp.")) return stacked ? WeightClass::kRoutedExperts : WeightClass::kDense;
  if (Contains(name, "embed_tokens") || Contains(name, "head.weight")) return WeightClass::kEmbedding;
  return WeightClass::kOther;
}

std::optional<std::uint32_t> LayerOfTensor(std::string_view name) {
  constexpr std::uint64_t kMostLayers = 4096;
  const auto found = FindLayer(name);
  if (!found || found->layer >= kMostLayers || name.starts_with("mtp.")) return std::nullopt;
  return static_cast<std::uint32_t>(found->layer);
}

PlanPicture MakePlanPicture(const BuiltView& view, const PlanReport& report) {
  PlanPicture picture;
  const VirtualTree& tree = *view.view.tree;
  ExpertLayers expert_layers;
  std::vector<std::pair<const VirtualNode*, FileSums>> files;
  std::int64_t last_layer = -1;
  for (const VirtualNode& node : tree.nodes()) {
    if (!node.is_directory()) LookForExperts(*node.file, expert_layers);
  }
  for (const VirtualNode& node : tree.nodes()) {
    if (node.is_directory()) continue;
    files.emplace_back(&node, Add(*node.file, expert_layers.stacked));
    const auto& layers = files.back().second.by_layer;
    if (!layers.empty()) last_layer = std::max(last_layer, layers.rbegin()->first);
  }
  picture.columns.push_back({"top", Tr("what belongs to no layer"), false});
  for (std::int64_t layer = 0; layer <= last_layer; ++layer) {
    const bool is_mtp = view.view.layers && layer >= static_cast<std::int64_t>(*view.view.layers);
    const std::string label = fmt::format("{}{}", is_mtp ? "MTP " : "", layer);
    picture.columns.push_back({label, is_mtp ? Tr("MTP layer {}", layer) : Tr("layer {}", layer),
                               HasExperts(expert_layers, !view.view.ranks.empty(), static_cast<std::uint32_t>(layer))});
  }
  picture.columns.push_back({"files", Tr("headers and other files"), false});

  picture.ranks.resize(view.view.world_size);
  for (std::uint32_t node = 0; node < report.nodes.size(); ++node) {
    for (const std::uint32_t rank : report.nodes[node].ranks.ranks()) picture.ranks[rank].node = node;
  }
  for (std::uint32_t rank = 0; rank < picture.ranks.size(); ++rank) {
    picture.ranks[rank].rank = rank;
    picture.ranks[rank].by_column.resize(picture.columns.size());
    if (rank < view.view.ranks.size()) picture.ranks[rank].parts = view.view.ranks[rank];
  }
  picture.expert_groups = view.view.expert_groups;
  for (const auto& [node, sums] : files) {
    for (std::size_t c = 0; c < kWeightClasses; ++c) {
      picture.once[c] += sums.by_class[c];
      picture.loaded[c] += sums.by_class[c] * node->ranks.ranks().size();
    }
    for (const std::uint32_t rank : node->ranks.ranks()) {
      RankPicture& row = picture.ranks[rank];
      row.bytes += node->file->size();
      for (std::size_t c = 0; c < kWeightClasses; ++c) row.by_class[c] += sums.by_class[c];
      for (const auto& [layer, bytes] : sums.by_layer) row.by_column[static_cast<std::size_t>(layer + 1)] += bytes;
      row.by_column.back() += sums.rest;
    }
  }
  // Tensors that a transform took go by names of the source, and are none of the checkpoint any more.
  std::set<std::pair<std::string_view, std::string_view>> gone;
  for (const IgnoredTensor& tensor : view.checkpoint->ignored()) gone.emplace(tensor.name, tensor.reason);
  std::set<std::string_view> ignored;
  for (const IgnoredTensor& tensor : view.view.ignored) {
    if (!gone.contains({tensor.name, tensor.reason})) ignored.insert(tensor.name);
  }
  for (const TensorSpec& tensor : view.checkpoint->tensors().specs()) {
    if (!ignored.contains(tensor.name)) picture.source[Index(ClassOf(tensor.name, false))] += BytesOf(tensor);
  }
  return picture;
}

}  // namespace shardfs
