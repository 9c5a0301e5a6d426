// SelectedStateDict: some tensors of another state dict, in its order, under other names where they have one.
#pragma once

#include <string>
#include <vector>

#include "shardfs/tensor/state_dict.h"

namespace shardfs {

// A tensor that stays: its index in the input, and its new name.
struct SelectedTensor {
  std::uint32_t index = 0;
  std::string name;
};

class SelectedStateDict final : public StateDict {
 public:
  // Names are unique.
  SelectedStateDict(StateDictPtr input, std::vector<SelectedTensor> selected);

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override;
  Result<TensorPtr> Build(std::uint32_t index) const override { return input_->Build(selected_[index].index); }
  std::string_view Origin(std::uint32_t index) const override { return input_->Origin(selected_[index].index); }
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override {
    return input_->SpanOf(selected_[index].index);
  }

 private:
  StateDictPtr input_;
  std::vector<SelectedTensor> selected_;
  std::vector<TensorSpec> specs_;       // names point into selected_
  std::vector<std::uint32_t> by_name_;  // indices of specs_, ascending by name
};

}  // namespace shardfs
