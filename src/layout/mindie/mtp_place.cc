#include "layout/mindie/mtp_place.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/quote_name.h"
#include "layout/mindie/source_inventory.h"

namespace shardfs {
namespace {

constexpr std::string_view kLayerPrefix = "model.layers.";
// What makes an MTP layer one.
constexpr std::array<std::string_view, 3> kMtpTensors = {"eh_proj", "enorm", "hnorm"};

std::string Configured(const DeepseekConfig& config) {
  return fmt::format("config.json has \"num_hidden_layers\": {} and {}", config.layers,
                     config.mtp_layers ? fmt::format("\"num_nextn_predict_layers\": {}", *config.mtp_layers)
                                       : "no \"num_nextn_predict_layers\"");
}

}  // namespace

std::optional<std::uint64_t> LayerOfTensorName(std::string_view name) {
  if (!name.starts_with(kLayerPrefix)) return std::nullopt;
  const char* const begin = name.data() + kLayerPrefix.size();
  const char* const stop = name.data() + name.size();
  std::uint64_t layer = 0;
  const auto [end, error] = std::from_chars(begin, stop, layer);
  if (error != std::errc() || end == stop || *end != '.') return std::nullopt;
  return layer;
}

MtpPlace::MtpPlace(const Checkpoint& checkpoint, const DeepseekConfig& config)
    : checkpoint_(checkpoint), config_(config) {
  for (const TensorSpec& tensor : checkpoint.tensors().specs()) {
    const auto layer = LayerOfTensorName(tensor.name);
    if (layer && *layer >= config.layers) ++tensors_[*layer];
  }
}

std::vector<std::string_view> MtpPlace::Missing(std::uint64_t layer) const {
  std::vector<std::string_view> missing;
  for (const std::string_view name : kMtpTensors) {
    if (checkpoint_.Find(fmt::format("{}{}.{}.weight", kLayerPrefix, layer, name)) == nullptr) missing.push_back(name);
  }
  return missing;
}

bool MtpPlace::LooksLikeMtp(std::uint64_t layer) const { return Missing(layer).size() < kMtpTensors.size(); }

// Without num_nextn_predict_layers it is one, as DeepSeek's own configuration class has it.
bool MtpPlace::ConfigHas(std::uint64_t layer) const {
  return layer >= config_.layers && layer - config_.layers < config_.mtp_layers.value_or(1);
}

MtpPlace::Reason MtpPlace::ReasonToIgnore(std::string_view name, bool mtp) const {
  const auto layer = LayerOfTensorName(name);
  if (!layer || *layer < config_.layers) return {};
  if (mtp && *layer == config_.layers) {
    const std::string_view local = name.substr(name.find('.', kLayerPrefix.size()) + 1);
    if (local == "embed_tokens.weight") return {"MindIE's MTP layer shares model.embed_tokens", 1};
    if (local == "shared_head.head.weight") return {"MindIE's MTP layer shares lm_head", 1};
    return {};
  }
  if (!ConfigHas(*layer) || !IsMtp(*layer)) return {};
  if (mtp) return {"MindIE loads one MTP layer only", 0};
  // One layer is what public checkpoints have, where config.json says so.
  const bool expected = config_.mtp_layers == 1;
  return {expected ? "the MTP layer is not asked for (--mtp shows it)"
                   : fmt::format("MTP layers are not asked for (--mtp shows the first); {}", Configured(config_)),
          expected ? SourceInventory::kAnyNumber : 0};
}

std::string MtpPlace::WhyNoMtp(std::uint64_t layer) const {
  const std::vector<std::string_view> missing = Missing(layer);
  if (missing.empty()) return fmt::format("layer {} is an MTP layer where config.json has none", layer);
  return fmt::format("layer {} is no MTP layer, because it has no {}", layer, fmt::join(missing, ", no "));
}

void StrayTensors::Add(const TensorSpec& tensor) {
  const auto layer = LayerOfTensorName(tensor.name);
  // Each tensor of a layer that is the model's is a case of its own.
  const std::uint64_t layers = place_.config().layers;
  if (!layer || *layer < layers || (mtp_ && *layer == layers)) {
    single_.push_back(&tensor);
    return;
  }
  Layer& stray = layers_[*layer];
  if (stray.count++ == 0) stray.first = &tensor;
}

std::vector<std::string> StrayTensors::Sentences() const {
  const auto named = [this](const TensorSpec& tensor) {
    return fmt::format("{} in {} is not a tensor of this model", QuoteName(tensor.name),
                       QuoteName(place_.OriginOf(tensor)));
  };
  std::vector<std::string> sentences;
  for (const auto& [layer, stray] : layers_) {
    const std::string more = stray.count == 1 ? "" : fmt::format(", nor are {} more of its layer", stray.count - 1);
    const char* const key = place_.LooksLikeMtp(layer) ? "num_nextn_predict_layers" : "num_hidden_layers";
    sentences.push_back(fmt::format("{}{}: {}, and {}; correct \"{}\" if it is wrong", named(*stray.first), more,
                                    place_.WhyNoMtp(layer), Configured(place_.config()), key));
  }
  for (const TensorSpec* tensor : single_) sentences.push_back(named(*tensor));
  return sentences;
}

}  // namespace shardfs
