#include "layout/mindie/state_dict_writer.h"
#include "tensor/ops/cast.h"

#include <algorithm>

namespace shardfs {

std::string UpperCase(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return upper;
}

StateDictWriter::StateDictWriter(const MindieModel& model, const std::array<bool, kMindieFolders>& wanted)
    : model_(model),
      wanted_(wanted),
      model_quantize_(UpperCase(model.config.quantize)),
      rules_{.checkpoint = model.weights.checkpoint,
             .dtype = model.config.dtype,
             .negate_offsets = model.fidelity == MindieFidelity::kSharder,
             .on_offsets = model.on_offsets} {}

Result<TensorPtr> StateDictWriter::Whole(const TensorSpec& info) const {
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr source, Source(info));
  return ops::Cast(std::move(source), model_.config.dtype);
}

void StateDictWriter::Describe(std::string name, std::string kind) {
  if (model_.description != nullptr) result_.description.push_back({std::move(name), std::move(kind)});
}

Status StateDictWriter::AddNorm(const std::string& name, const NormWeights& norm) {
  const bool is_loader = model_.fidelity == MindieFidelity::kLoader;
  const std::string module = name + ".module.weight";
  const auto described = [&](const std::string& part) {
    const auto kind = model_.description->KindOf(name + part);
    return std::string(kind.value_or(""));
  };
  if (norm.anti_weight == nullptr) {
    SHARDFS_RETURN_IF_ERROR(AddWhole(name + ".weight", norm.weight));
    // It decides the pack type when the directory is loaded, also where the norm itself is stored plain.
    if (is_loader && norm.is_described_anti && Wants(module)) {
      Describe(module, described(".module.weight"));
    }
    if (!norm.has_bias) return Status::Ok();
    return Add(name + ".bias", [&] {
      return norm.bias != nullptr ? Whole(*norm.bias) : Tensor::Zeros(model_.config.dtype, norm.weight->shape);
    });
  }
  if (!is_loader) {
    SHARDFS_RETURN_IF_ERROR(AddWhole(name + ".ori.weight", norm.weight));
    SHARDFS_RETURN_IF_ERROR(AddWhole(name + ".anti.weight", norm.anti_weight));
    return AddWhole(name + ".anti.bias", norm.anti_bias);
  }
  SHARDFS_RETURN_IF_ERROR(AddWhole(name + ".weight", norm.weight));
  SHARDFS_RETURN_IF_ERROR(Append(module, described(".module.weight"), [&] { return Whole(*norm.anti_weight); }));
  return Append(name + ".module.bias", described(".module.bias"), [&] { return Whole(*norm.anti_bias); });
}

Status StateDictWriter::AddLinear(const std::string& prefix, std::span<const LinearWeights* const> packed,
                                  const LinearCut& cut) {
  if (!Wants(prefix + ".weight")) return Status::Ok();
  return AppendLinear(prefix, packed.front()->kind, BuildLinear(packed, cut, rules_));
}

Status StateDictWriter::AddStackedLinear(const std::string& prefix,
                                         std::span<const std::vector<const LinearWeights*>> packed,
                                         const LinearCut& cut) {
  if (!Wants(prefix + ".weight")) return Status::Ok();
  return AppendLinear(prefix, packed.front().front()->kind, BuildStackedLinear(packed, cut, rules_));
}

Status StateDictWriter::AppendLinear(const std::string& prefix, LinearKind kind,
                                     Result<std::vector<LinearTensor>> tensors) {
  if (!tensors.ok()) return tensors.status().WithContext(prefix);
  for (LinearTensor& tensor : *tensors) {
    // Only names with .weight or .bias in them say what the linear is.
    const bool names_kind = tensor.suffix.starts_with(".weight") || tensor.suffix.starts_with(".bias");
    std::string what = names_kind ? std::string(LinearKindName(kind)) : model_quantize_;
    SHARDFS_RETURN_IF_ERROR(Append(prefix + std::string(tensor.suffix), std::move(what),
                                   [&]() -> Result<TensorPtr> { return std::move(tensor.tensor); }));
  }
  return Status::Ok();
}

void StateDictWriter::DescribeGateUp(const std::string& prefix, LinearKind kind, const std::string& quantize,
                                     const NormWeights& norm) {
  if (model_.fidelity != MindieFidelity::kLoader || model_.description == nullptr) return;
  const std::string packed = prefix + ".gate_up_proj.weight";
  if (!Wants(packed)) return;
  std::vector<DescribedTensor>& lines = result_.description;
  const auto at =
      std::find_if(lines.begin(), lines.end(), [&](const DescribedTensor& line) { return line.name == packed; });
  if (at == lines.end()) return;
  const std::string what(LinearKindName(kind));
  const std::array<DescribedTensor, 2> unpacked = {DescribedTensor{prefix + ".gate_proj.weight", what},
                                                   DescribedTensor{prefix + ".up_proj.weight", what}};
  // Rule 5: the packed key would make the loader forget that the norm has an anti-outlier pair.
  const bool forgets_float = kind == LinearKind::kFloat && quantize != "w8a8_dynamic";
  if (norm.is_described_anti) {
    const auto rest = lines.erase(at);
    lines.insert(rest, unpacked.begin(), unpacked.end());
  } else if (forgets_float) {  // rule 4
    lines.insert(at + 1, unpacked.begin(), unpacked.end());
  }
}

}  // namespace shardfs
