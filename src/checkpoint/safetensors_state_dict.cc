#include "checkpoint/safetensors_state_dict.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <span>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/parallel.h"

namespace shardfs {
namespace {

// Where a tensor lies, so that an order by file and offset compares numbers.
struct Position {
  std::uint32_t file = 0;  // among the files by name
  std::uint64_t offset = 0;
  std::uint32_t tensor = 0;
};

std::vector<Position> PositionsOf(std::span<const TensorInfo> tensors) {
  std::map<std::string_view, std::uint32_t> files;
  std::unordered_map<const ByteSource*, std::uint32_t*> file_of;
  for (const TensorInfo& tensor : tensors) {
    std::uint32_t*& file = file_of[tensor.source];
    if (file == nullptr) file = &files[tensor.source->name()];
  }
  std::uint32_t next = 0;
  for (auto& [name, file] : files) file = next++;
  std::vector<Position> positions;
  positions.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) {
    positions.push_back({*file_of.find(tensor.source)->second, tensor.offset, static_cast<std::uint32_t>(positions.size())});
  }
  return positions;
}

}  // namespace

SafetensorsStateDict::SafetensorsStateDict(std::vector<TensorInfo> tensors) {
  std::vector<Position> order = PositionsOf(tensors);
  ParallelSort(order.begin(), order.end(), [&](const Position& a, const Position& b) {
    if (a.file != b.file) return a.file < b.file;
    if (a.offset != b.offset) return a.offset < b.offset;
    // Tensors without elements share their offset with the next.
    return std::tie(tensors[a.tensor].size, tensors[a.tensor].name) <
           std::tie(tensors[b.tensor].size, tensors[b.tensor].name);
  });
  names_.reserve(std::accumulate(tensors.begin(), tensors.end(), std::size_t{0},
                                 [](std::size_t sum, const TensorInfo& tensor) { return sum + tensor.name.size(); }));
  specs_.reserve(tensors.size());
  places_.reserve(tensors.size());
  by_name_.resize(tensors.size());
  for (const Position& position : order) {
    TensorInfo& tensor = tensors[position.tensor];
    by_name_[position.tensor] = static_cast<std::uint32_t>(specs_.size());
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
