#include "checkpoint/safetensors_state_dict.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace shardfs {

SafetensorsStateDict::SafetensorsStateDict(std::vector<TensorInfo> tensors) {
  std::vector<std::uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int files = tensors[a].source->name().compare(tensors[b].source->name());
    if (files != 0) return files < 0;
    // Tensors without elements share their offset with the next.
    return std::tie(tensors[a].offset, tensors[a].size, tensors[a].name) <
           std::tie(tensors[b].offset, tensors[b].size, tensors[b].name);
  });
  names_.reserve(std::accumulate(tensors.begin(), tensors.end(), std::size_t{0},
                                 [](std::size_t sum, const TensorInfo& tensor) { return sum + tensor.name.size(); }));
  specs_.reserve(tensors.size());
  places_.reserve(tensors.size());
  by_name_.resize(tensors.size());
  for (const std::uint32_t i : order) {
    TensorInfo& tensor = tensors[i];
    by_name_[i] = static_cast<std::uint32_t>(specs_.size());
    const char* const name = names_.data() + names_.size();  // the reserved memory does not move
    names_ += tensor.name;
    specs_.push_back({std::string_view(name, tensor.name.size()), tensor.dtype, std::move(tensor.shape)});
    places_.push_back({tensor.source, tensor.offset});
  }
}

std::optional<std::uint32_t> SafetensorsStateDict::Find(std::string_view name) const {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                      [this](std::uint32_t i, std::string_view key) { return specs_[i].name < key; });
  if (found == by_name_.end() || specs_[*found].name != name) return std::nullopt;
  return *found;
}

Result<TensorPtr> SafetensorsStateDict::Build(std::uint32_t index) const {
  const TensorSpec& spec = specs_[index];
  return Tensor::Source(places_[index].source, places_[index].offset, spec.dtype, spec.shape);
}

}  // namespace shardfs
