#include "transform/dequantized_state_dict.h"

#include <algorithm>
#include <utility>

namespace shardfs {

DequantizedStateDict::DequantizedStateDict(StateDictPtr input, std::vector<DequantizedTensor> tensors, Shape block,
                                           std::function<void(std::string_view)> on_nan)
    : input_(std::move(input)), tensors_(std::move(tensors)), block_(std::move(block)), on_nan_(std::move(on_nan)) {
  specs_.reserve(tensors_.size());
  for (const DequantizedTensor& tensor : tensors_) {
    specs_.push_back(input_->specs()[tensor.index]);
    if (tensor.scales != DequantizedTensor::kAsItIs) specs_.back().dtype = Dtype::kBF16;
  }
}

std::optional<std::uint32_t> DequantizedStateDict::Find(std::string_view name) const {
  const auto index = input_->Find(name);
  if (!index) return std::nullopt;
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), *index,
                       [](const DequantizedTensor& tensor, std::uint32_t i) { return tensor.index < i; });
  if (found == tensors_.end() || found->index != *index) return std::nullopt;
  return static_cast<std::uint32_t>(found - tensors_.begin());
}

Result<TensorPtr> DequantizedStateDict::Build(std::uint32_t index) const {
  const DequantizedTensor& tensor = tensors_[index];
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr codes, input_->Build(tensor.index));
  if (tensor.scales == DequantizedTensor::kAsItIs) return codes;
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr scales, input_->Build(tensor.scales));
  ops::NanReport report;
  if (on_nan_) report = [on_nan = on_nan_, name = specs_[index].name] { on_nan(name); };
  return ops::BlockScale(std::move(codes), std::move(scales), block_, std::move(report));
}

}  // namespace shardfs
