#include "layout/sharded_state/rule_sources.h"

#include <fmt/format.h>

#include <string>

#include "base/quote_name.h"
#include "checkpoint/defect_list.h"
#include "checkpoint/tensor_name.h"

namespace shardfs {
namespace {

Status CheckSource(const TensorSpec& spec, const SourcePart& part) {
  if (!IsFloat(spec.dtype)) {
    return Status::NotSupported(
        fmt::format("{} is {}: quantised checkpoints are refused; the layout takes F32, F16 and BF16", spec.name,
                    DtypeName(spec.dtype)));
  }
  if (spec.shape == part.shape) return Status::Ok();
  if (part.cut == RankCut::kVocab && spec.shape.size() == 2 && spec.shape[1] == part.shape[1]) {
    return Status::Corruption(
        fmt::format("{} has {} rows, but vocab_size is {}", spec.name, spec.shape[0], part.shape[0]));
  }
  return Status::Corruption(fmt::format("{} is {}, but config.json makes it {} ({})", spec.name,
                                        ShapeToString(spec.shape), ShapeToString(part.shape), part.sizes));
}

// Why a tensor that no rule asks for is left out; empty where it must not be.
std::string ReasonToIgnore(std::string_view name, const ModelShape& shape) {
  if (name.ends_with(".rotary_emb.inv_freq")) return "the engines compute it";
  if (shape.tied_embedding && name == "lm_head.weight") return "tie_word_embeddings: the embedding stands for it";
  const auto layer = FindLayer(name);
  if (layer && name.starts_with("model.layers.") && layer->layer >= shape.layers) {
    return fmt::format("layer {} is behind num_hidden_layers {}: the main model has no MTP layer", layer->layer,
                       shape.layers);
  }
  return {};
}

Status Unused(const DefectList& unused) {
  return Status::Corruption(
      fmt::format("nothing uses {}: the engine's model has no such tensor; --drop leaves tensors out", unused.text()));
}

}  // namespace

Result<RuleSources> FindSources(const Checkpoint& checkpoint, const ModelShape& shape,
                                std::span<const OutputTensor> rules) {
  const StateDict& tensors = checkpoint.tensors();
  RuleSources sources;
  std::vector<bool> used(tensors.specs().size(), false);
  DefectList missing;
  for (const OutputTensor& rule : rules) {
    std::vector<std::uint32_t>& indices = sources.indices.emplace_back();
    indices.reserve(rule.parts.size());
    for (const SourcePart& part : rule.parts) {
      const auto index = tensors.Find(part.name);
      if (!index) {
        missing.Add(part.name);
        continue;
      }
      SHARDFS_RETURN_IF_ERROR(CheckSource(tensors.specs()[*index], part));
      used[*index] = true;
      indices.push_back(*index);
    }
  }
  if (missing.count() > 0) {
    return Status::Corruption(fmt::format("tensors of the model are missing: {}", missing.text()));
  }
  DefectList unused;
  for (std::uint32_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    const TensorSpec& spec = tensors.specs()[i];
    std::string reason = ReasonToIgnore(spec.name, shape);
    if (reason.empty())
      unused.Add(QuoteName(spec.name));
    else
      sources.ignored.push_back({std::string(spec.name), std::move(reason), BytesOf(spec)});
  }
  if (unused.count() > 0) return Unused(unused);
  return sources;
}

}  // namespace shardfs
