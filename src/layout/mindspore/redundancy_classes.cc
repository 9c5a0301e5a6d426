// MindSpore's way: ranks with equal coordinates along the device dims of the first tensor map are one class; an
// optimizer shard of n deals each class out in turn to n new ones, and a class that does not divide vanishes. The
// classes are right if they are the cells of the grid under other numbers.
#include "layout/mindspore/redundancy_classes.h"

#include <map>
#include <utility>
#include <vector>

namespace shardfs {
namespace {

// Device dims, outermost first, that MindSpore takes for those that split the parameter.
std::vector<bool> DimsOfFirstMap(const ParameterLayout& layout) {
  std::vector<bool> used(layout.device_matrix.size(), false);
  const std::size_t axes =
      layout.is_nested ? std::min<std::size_t>(1, layout.tensor_map.size()) : layout.tensor_map.size();
  for (std::size_t a = 0; a < axes; ++a) {
    for (const std::int32_t number : layout.tensor_map[a]) {
      if (number >= 0) used[used.size() - 1 - static_cast<std::size_t>(number)] = true;
    }
  }
  return used;
}

// The class of a device before the shard: its coordinates along the used dims, as one number.
std::uint64_t ClassOf(const ParameterLayout& layout, const std::vector<bool>& used, std::uint32_t device) {
  std::uint64_t number = 0;
  std::uint64_t stride = 1;
  for (std::size_t d = used.size(); d-- > 0; device /= layout.device_matrix[d]) {
    if (!used[d]) continue;
    number += device % layout.device_matrix[d] * stride;
    stride *= layout.device_matrix[d];
  }
  return number;
}

// Into how many each class is dealt; 1 where there is no shard.
std::uint64_t DealtInto(const ParameterLayout& layout) {
  if (layout.shard_size == 0 || layout.shard_step == 0) return 1;
  if (layout.shard_size > 0) return static_cast<std::uint64_t>(layout.shard_size);
  return layout.shard_step > 0 ? DevicesOf(layout) / static_cast<std::uint64_t>(layout.shard_step) : 0;
}

}  // namespace

bool FindsRedundancyClasses(const ParameterLayout& layout, const SliceGrid& training) {
  const std::uint32_t devices = DevicesOf(layout);
  const std::vector<bool> used = DimsOfFirstMap(layout);
  const std::uint64_t parts = DealtInto(layout);
  if (parts == 0) return false;
  std::map<std::uint64_t, std::uint64_t> members;                            // of each class, so far
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> cell_of;  // of each dealt class
  for (std::uint32_t device = 0; device < devices; ++device) {
    const std::uint64_t number = ClassOf(layout, used, device);
    const std::uint64_t place = members[number]++;
    const std::uint64_t cell = training.CellOf(device);
    const auto [known, is_new] = cell_of.try_emplace({number, place % parts}, cell);
    if (!is_new && known->second != cell) return false;
  }
  for (const auto& [number, size] : members) {
    if (size % parts != 0) return false;
  }
  return cell_of.size() == training.cells();
}

}  // namespace shardfs
