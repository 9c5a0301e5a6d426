#include "report/plan_html_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/mindie_names.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 100u << 20;

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::size_t Index(WeightClass weight_class) { return static_cast<std::size_t>(weight_class); }

// The rank `i` of `k` that split `whole` as the slice rule does: the last ones may be short, or have nothing.
Part SliceOf(std::uint64_t whole, std::uint64_t k, std::uint64_t i) {
  if (whole == 0 || k == 0) return {};
  const std::uint64_t step = (whole + k - 1) / k;
  return {std::min(i * step, whole), std::min((i + 1) * step, whole), whole};
}

// Bytes of one file by class and by layer; -1 stands for tensors of no layer.
struct FileSums {
  ClassBytes by_class{};
  std::map<std::int64_t, std::uint64_t> by_layer;
  std::uint64_t rest = 0;  // header, or the whole file where it has no tensors
};

// The layers whose MLP has an axis more than a dense one: that of the experts.
void LookForExperts(const VirtualFile& file, std::set<std::uint32_t>& layers) {
  for (const FileTensor& tensor : file.tensors()) {
    const auto layer = LayerOfTensor(tensor.name);
    if (layer && tensor.shape.size() == 3 && tensor.name.ends_with("mlp.down_proj.weight")) layers.insert(*layer);
  }
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

std::optional<DeepseekConfig> ConfigOf(const BuiltView& view) {
  const auto text = view.checkpoint->ReadText("config.json", kMaxConfigBytes);
  if (!text.ok()) return std::nullopt;
  const auto json = ParseJson(*text, "config.json");
  if (!json.ok()) return std::nullopt;
  const auto named = UnderMindieNames(*json);
  if (!named.ok()) return std::nullopt;
  const auto config = DeepseekConfig::Parse(*named);
  return config.ok() ? std::optional(*config) : std::nullopt;
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
    if (Contains(tensor.name, "shared_experts")) {
      splits.shared = PartsOf(config.moe_intermediate_size * config.shared_experts, tensor.shape.back());
    } else {
      splits.dense = PartsOf(config.intermediate_size, tensor.shape.back());
    }
  }
}

void PlaceRank(const DeepseekConfig& config, const MindieMapping& mapping, const Splits& splits, RankPicture& rank) {
  const MindieCoordinates at = mapping.At(rank.rank);
  rank.at = at;
  rank.heads = SliceOf(config.heads, mapping.tp(), at.attention_tp);
  // Every group that splits a tensor consists of consecutive ranks.
  const auto slice = [&rank](std::uint64_t parts) {
    return parts == 0 ? Part() : SliceOf(parts, parts, rank.rank % parts);
  };
  rank.dense_slice = slice(splits.dense);
  rank.shared_slice = slice(splits.shared);
  rank.head_slice = slice(splits.lm_head);
  if (config.first_dense_layers >= config.layers) return;
  rank.experts = SliceOf(config.routed_experts, mapping.moe_ep(), at.moe_ep);
  rank.expert_slice = SliceOf(mapping.moe_tp(), mapping.moe_tp(), at.moe_tp);
}

// MindIE's mapping of a view of its layout, from the view's effective sizes; nothing for another layout.
std::optional<MindieMapping> MappingOf(const BuiltView& view) {
  if (view.layout != "mindie") return std::nullopt;
  ParallelConfig config;
  const std::map<std::string_view, std::int64_t*> fields = {
      {"world_size", &config.world_size}, {"dp", &config.dp}, {"tp", &config.tp}, {"moe_tp", &config.moe_tp},
      {"moe_ep", &config.moe_ep}, {"sp", &config.sp}, {"cp", &config.cp}};
  for (const auto& [name, size] : view.view.sizes) {
    if (const auto field = fields.find(name); field != fields.end()) *field->second = size;
  }
  const Result<MindieMapping> mapping = MindieMapping::Create(config);
  return mapping.ok() ? std::optional(*mapping) : std::nullopt;
}

}  // namespace

std::string_view WeightClassName(WeightClass weight_class) {
  constexpr std::array<std::string_view, kWeightClasses> kNames = {
      "routed experts",        "shared experts",    "attention",     "dense MLP",
      "embedding and lm_head", "norms and routers", "other weights", "headers and other files"};
  return kNames[Index(weight_class)];
}

WeightClass ClassOf(std::string_view name, bool stacked) {
  if (Contains(name, "norm") || Contains(name, "mlp.gate.")) return WeightClass::kSmall;
  if (Contains(name, "self_attn.")) return WeightClass::kAttention;
  if (Contains(name, "mlp.shared_experts.")) return WeightClass::kSharedExperts;
  if (Contains(name, "mlp.experts.")) return WeightClass::kRoutedExperts;
  if (Contains(name, "mlp.")) return stacked ? WeightClass::kRoutedExperts : WeightClass::kDense;
  if (Contains(name, "embed_tokens") || Contains(name, "head.weight")) return WeightClass::kEmbedding;
  return WeightClass::kOther;
}

std::optional<std::uint32_t> LayerOfTensor(std::string_view name) {
  constexpr std::string_view kPrefix = "model.layers.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::uint32_t layer = 0;
  const char* const begin = name.data() + kPrefix.size();
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), layer);
  if (error != std::errc() || end == begin) return std::nullopt;
  return layer;
}

PlanPicture MakePlanPicture(const BuiltView& view, const PlanReport& report) {
  const std::optional<MindieMapping> mapping = MappingOf(view);
  PlanPicture picture;
  const VirtualTree& tree = *view.view.tree;
  const auto config = ConfigOf(view);
  std::set<std::uint32_t> expert_layers;
  std::vector<std::pair<const VirtualNode*, FileSums>> files;
  std::int64_t last_layer = -1;
  Splits splits;
  for (const VirtualNode& node : tree.nodes()) {
    if (!node.is_directory()) LookForExperts(*node.file, expert_layers);
  }
  for (const VirtualNode& node : tree.nodes()) {
    if (node.is_directory()) continue;
    files.emplace_back(&node, Add(*node.file, expert_layers));
    if (config) LookForSplits(*node.file, *config, splits);
    const auto& layers = files.back().second.by_layer;
    if (!layers.empty()) last_layer = std::max(last_layer, layers.rbegin()->first);
  }
  picture.columns.push_back({"top", "what belongs to no layer", false});
  for (std::int64_t layer = 0; layer <= last_layer; ++layer) {
    const bool is_mtp = config && layer >= static_cast<std::int64_t>(config->layers);
    const std::string label = fmt::format("{}{}", is_mtp ? "MTP " : "", layer);
    picture.columns.push_back({label, (is_mtp ? "MTP layer " : "layer ") + std::to_string(layer),
                               expert_layers.contains(static_cast<std::uint32_t>(layer))});
  }
  picture.columns.push_back({"files", "headers and other files", false});

  picture.ranks.resize(view.view.world_size);
  for (std::uint32_t node = 0; node < report.nodes.size(); ++node) {
    for (const std::uint32_t rank : report.nodes[node].ranks.ranks()) picture.ranks[rank].node = node;
  }
  for (std::uint32_t rank = 0; rank < picture.ranks.size(); ++rank) {
    picture.ranks[rank].rank = rank;
    picture.ranks[rank].by_column.resize(picture.columns.size());
    if (config && mapping) PlaceRank(*config, *mapping, splits, picture.ranks[rank]);
  }
  if (config && mapping && !expert_layers.empty()) picture.expert_groups = mapping->moe_ep();
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
  std::set<std::string_view> ignored;
  for (const IgnoredTensor& tensor : view.view.ignored) ignored.insert(tensor.name);
  for (const TensorSpec& tensor : view.checkpoint->tensors().specs()) {
    if (!ignored.contains(tensor.name)) picture.source[Index(ClassOf(tensor.name, false))] += BytesOf(tensor);
  }
  return picture;
}

}  // namespace shardfs
