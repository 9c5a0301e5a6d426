#include "transform/selected_state_dict.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace shardfs {

SelectedStateDict::SelectedStateDict(StateDictPtr input, std::vector<SelectedTensor> selected)
    : input_(std::move(input)), selected_(std::move(selected)), by_name_(selected_.size()) {
  specs_.reserve(selected_.size());
  for (const SelectedTensor& tensor : selected_) {
    const TensorSpec& spec = input_->specs()[tensor.index];
    specs_.push_back({tensor.name, spec.dtype, spec.shape});
  }
  std::iota(by_name_.begin(), by_name_.end(), std::uint32_t{0});
  std::sort(by_name_.begin(), by_name_.end(),
            [this](std::uint32_t a, std::uint32_t b) { return specs_[a].name < specs_[b].name; });
}

std::optional<std::uint32_t> SelectedStateDict::Find(std::string_view name) const {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                      [this](std::uint32_t i, std::string_view key) { return specs_[i].name < key; });
  if (found == by_name_.end() || specs_[*found].name != name) return std::nullopt;
  return *found;
}

}  // namespace shardfs
