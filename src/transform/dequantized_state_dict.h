// DequantizedStateDict: some tensors of another state dict, in its order, of which some are E4M3 codes that are shown
// as BF16.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/tensor/state_dict.h"
#include "tensor/ops/block_scale.h"

namespace shardfs {

// A tensor that is handed on: its index in the input, and that of its scales, if it is dequantised.
struct DequantizedTensor {
  static constexpr std::uint32_t kAsItIs = ~std::uint32_t{0};

  std::uint32_t index = 0;
  std::uint32_t scales = kAsItIs;
};

class DequantizedStateDict final : public StateDict {
 public:
  // The indices ascend. `on_nan` is called with the name of a tensor when a read meets a NaN code of it.
  DequantizedStateDict(StateDictPtr input, std::vector<DequantizedTensor> tensors, Shape block,
                       std::function<void(std::string_view)> on_nan);

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override;
  Result<TensorPtr> Build(std::uint32_t index) const override;
  std::string_view Origin(std::uint32_t index) const override { return input_->Origin(tensors_[index].index); }
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override {
    if (tensors_[index].scales != DequantizedTensor::kAsItIs) return std::nullopt;
    return input_->SpanOf(tensors_[index].index);
  }

 private:
  StateDictPtr input_;
  std::vector<DequantizedTensor> tensors_;
  Shape block_;
  std::function<void(std::string_view)> on_nan_;
  std::vector<TensorSpec> specs_;
};

}  // namespace shardfs
