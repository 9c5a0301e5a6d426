#include "tools/quantisation.h"

#include <charconv>
#include <utility>

namespace shardfs::tools {
namespace {

// The number behind "model.layers."; nothing for a tensor of no layer.
std::optional<std::uint64_t> LayerOf(std::string_view name) {
  constexpr std::string_view kPrefix = "model.layers.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::uint64_t layer = 0;
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  if (error != std::errc()) return std::nullopt;
  return layer;
}

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace

std::string_view WeightKindName(WeightKind kind) {
  switch (kind) {
    case WeightKind::kFloat:
      return "FLOAT";
    case WeightKind::kW8A8:
      return "W8A8";
    case WeightKind::kW8A8Dynamic:
      return "W8A8_DYNAMIC";
    case WeightKind::kW8A16:
      return "W8A16";
    case WeightKind::kW4A8Dynamic:
      return "W4A8_DYNAMIC";
    case WeightKind::kFp8Block:
      return "FP8";
  }
  return "";
}

std::optional<CheckpointKind> ParseCheckpointKind(std::string_view name) {
  static constexpr std::pair<std::string_view, CheckpointKind> kNames[] = {
      {"float", CheckpointKind::kFloat},
      {"w8a8", CheckpointKind::kW8A8},
      {"w8a8_dynamic", CheckpointKind::kW8A8Dynamic},
      {"w8a8_mix", CheckpointKind::kW8A8Mix},
      {"w8a16", CheckpointKind::kW8A16},
      {"w4a8", CheckpointKind::kW4A8},
      {"w4a8_group", CheckpointKind::kW4A8Group},
      {"fp8", CheckpointKind::kFp8Block},
  };
  for (const auto& [known, kind] : kNames) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

WeightKind AttentionKind(CheckpointKind kind) {
  switch (kind) {
    case CheckpointKind::kFloat:
      return WeightKind::kFloat;
    case CheckpointKind::kW8A8Dynamic:
      return WeightKind::kW8A8Dynamic;
    case CheckpointKind::kW8A16:
      return WeightKind::kW8A16;
    case CheckpointKind::kFp8Block:
      return WeightKind::kFp8Block;
    case CheckpointKind::kW8A8:
    case CheckpointKind::kW8A8Mix:
    case CheckpointKind::kW4A8:
    case CheckpointKind::kW4A8Group:
      return WeightKind::kW8A8;
  }
  return WeightKind::kFloat;
}

WeightKind MlpKind(CheckpointKind kind) {
  switch (kind) {
    case CheckpointKind::kFloat:
      return WeightKind::kFloat;
    case CheckpointKind::kW8A8:
      return WeightKind::kW8A8;
    case CheckpointKind::kW8A16:
      return WeightKind::kW8A16;
    case CheckpointKind::kFp8Block:
      return WeightKind::kFp8Block;
    case CheckpointKind::kW8A8Dynamic:
    case CheckpointKind::kW8A8Mix:
    case CheckpointKind::kW4A8:
    case CheckpointKind::kW4A8Group:
      return WeightKind::kW8A8Dynamic;
  }
  return WeightKind::kFloat;
}

WeightKind ExpertKind(CheckpointKind kind) {
  const bool four_bits = kind == CheckpointKind::kW4A8 || kind == CheckpointKind::kW4A8Group;
  return four_bits ? WeightKind::kW4A8Dynamic : MlpKind(kind);
}

WeightKind KindOfTensor(const Quantisation& quantisation, std::uint64_t main_layers, std::string_view name) {
  const auto layer = LayerOf(name);
  if (!layer || !Contains(name, "_proj")) return WeightKind::kFloat;
  const bool mtp = *layer >= main_layers;
  if (mtp && !quantisation.quantised_mtp) return WeightKind::kFloat;
  if (Contains(name, ".self_attn.")) {
    const WeightKind kind = AttentionKind(quantisation.kind);
    return Contains(name, ".kv_b_proj.") && kind != WeightKind::kFp8Block ? WeightKind::kFloat : kind;
  }
  if (!Contains(name, ".mlp.")) return WeightKind::kFloat;  // eh_proj
  // The experts of a quantised MTP layer follow `quantize`: config.json then has mtp_quantize.
  return Contains(name, ".experts.") && !mtp ? ExpertKind(quantisation.kind) : MlpKind(quantisation.kind);
}

std::string_view QuantizeName(CheckpointKind kind) {
  switch (MlpKind(kind)) {
    case WeightKind::kW8A8:
      return "w8a8";
    case WeightKind::kW8A8Dynamic:
      return "w8a8_dynamic";
    case WeightKind::kW8A16:
      return "w8a16";
    default:
      return "";
  }
}

std::string DescriptionFileName(const Quantisation& quantisation) {
  const std::string& version = quantisation.description_version;
  if (!version.empty() && version != "0.0.0") return "quant_model_description.json";
  return "quant_model_description_" + std::string(QuantizeName(quantisation.kind)) + ".json";
}

std::string WeightFilePrefix(CheckpointKind kind) {
  if (QuantizeName(kind).empty()) return "model";
  return "quant_model_weight_" + std::string(QuantizeName(kind));
}

}  // namespace shardfs::tools
