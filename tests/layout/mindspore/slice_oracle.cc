#include "layout/mindspore/slice_oracle.h"

#include <algorithm>
#include <numeric>

namespace shardfs::testing {
namespace {

struct Split {
  std::uint64_t parts = 1;
  std::uint64_t index = 0;
};

struct Coordinates {
  std::vector<std::uint64_t> of_dim;
  std::vector<bool> used;
};

Coordinates CoordinatesOf(const ParameterLayout& layout, std::uint32_t device) {
  const auto& dims = layout.device_matrix;
  Coordinates coordinates{std::vector<std::uint64_t>(dims.size()), std::vector<bool>(dims.size(), false)};
  std::uint64_t rest = device;
  for (std::size_t i = dims.size(); i-- > 0;) {
    coordinates.of_dim[i] = rest % dims[i];
    rest /= dims[i];
  }
  return coordinates;
}

Split SplitOf(const ParameterLayout& layout, std::size_t axis, Coordinates& coordinates) {
  Split split;
  for (const std::int32_t number : layout.tensor_map[axis]) {
    if (number < 0) continue;
    const std::size_t dim = layout.device_matrix.size() - 1 - static_cast<std::size_t>(number);
    split.parts *= layout.device_matrix[dim];
    split.index = split.index * layout.device_matrix[dim] + coordinates.of_dim[dim];
    coordinates.used[dim] = true;
  }
  return split;
}

Split ShardOf(const ParameterLayout& layout, const Coordinates& coordinates) {
  if (layout.shard_step == 0 || layout.shard_size == 0) return {};
  std::uint64_t position = 0;
  std::uint64_t replicas = 1;
  for (std::size_t dim = 0; dim < coordinates.used.size(); ++dim) {
    if (coordinates.used[dim]) continue;
    position = position * layout.device_matrix[dim] + coordinates.of_dim[dim];
    replicas *= layout.device_matrix[dim];
  }
  const std::uint64_t size = layout.shard_size == -1 ? replicas : static_cast<std::uint64_t>(layout.shard_size);
  return {size, position % size};
}

}  // namespace

std::vector<std::uint32_t> ElementsOf(const ParameterLayout& layout, const Shape& full, std::uint32_t device) {
  Coordinates coordinates = CoordinatesOf(layout, device);
  std::vector<Split> splits;
  for (std::size_t axis = 0; axis < full.size(); ++axis) splits.push_back(SplitOf(layout, axis, coordinates));
  const Split shard = ShardOf(layout, coordinates);
  const std::uint64_t count = std::accumulate(full.begin(), full.end(), std::uint64_t{1}, std::multiplies<>());
  std::vector<std::uint32_t> elements;
  for (std::uint32_t element = 0; element < count; ++element) {
    std::uint64_t rest = element;
    bool is_held = true;
    for (std::size_t axis = full.size(); axis-- > 0;) {
      const std::uint64_t index = rest % full[axis];
      rest /= full[axis];
      const std::uint64_t size = full[axis] / splits[axis].parts;
      is_held = is_held && index / size == splits[axis].index;
      if (axis == 0) is_held = is_held && index % size / (size / shard.parts) == shard.index;
    }
    if (is_held) elements.push_back(element);
  }
  return elements;
}

ParameterLayout RandomLayout(RandomNumbers& random, std::uint32_t devices, std::size_t axes) {
  ParameterLayout layout;
  for (std::uint32_t rest = devices; rest > 1;) {
    std::uint32_t dim = 2;
    while (dim < rest && Below(random, 2) == 0) dim *= 2;
    layout.device_matrix.push_back(dim);
    rest /= dim;
  }
  if (layout.device_matrix.empty()) layout.device_matrix.push_back(1);
  layout.is_nested = Below(random, 3) == 0;
  if (layout.is_nested && Below(random, 3) == 0)
    layout.device_matrix.insert(
        layout.device_matrix.begin() + static_cast<std::ptrdiff_t>(Below(random, layout.device_matrix.size())), 1);
  layout.tensor_map.resize(axes);
  std::vector<std::int32_t> dims(layout.device_matrix.size());
  std::iota(dims.begin(), dims.end(), 0);
  std::shuffle(dims.begin(), dims.end(), random);
  for (const std::int32_t dim : dims) {
    auto& axis = layout.tensor_map[Below(random, axes)];
    const bool is_taken = !layout.is_nested && !axis.empty();
    if (!is_taken && Below(random, 2) == 0) axis.push_back(dim);
  }
  for (auto& axis : layout.tensor_map) {
    if (axis.empty() || (layout.is_nested && Below(random, 4) == 0)) axis.push_back(-1);
  }
  std::uint32_t replicas = devices;
  std::vector<std::size_t> free;
  std::vector<bool> used(layout.device_matrix.size(), false);
  for (const auto& axis : layout.tensor_map) {
    for (const std::int32_t number : axis) {
      if (number < 0) continue;
      const std::size_t dim = used.size() - 1 - static_cast<std::size_t>(number);
      used[dim] = true;
      replicas /= layout.device_matrix[dim];
    }
  }
  for (std::size_t dim = 0; dim < used.size(); ++dim) {
    if (!used[dim] && layout.device_matrix[dim] > 1) free.push_back(dim);
  }
  if (replicas == 1 || Below(random, 2) == 0) return layout;
  // The step that training writes: the distance of neighbours among the replicas, on average.
  std::uint64_t last = 0;
  for (const std::size_t dim : free) {
    std::uint64_t stride = 1;
    for (std::size_t right = dim + 1; right < used.size(); ++right) stride *= layout.device_matrix[right];
    last += (layout.device_matrix[dim] - 1) * stride;
  }
  layout.shard_step = static_cast<std::int32_t>(last / (replicas - 1));
  layout.shard_size = -1;
  for (std::uint32_t size = replicas; size > 1; size /= 2) {
    if (Below(random, 2) == 0) continue;
    layout.shard_size = static_cast<std::int32_t>(size);
    break;
  }
  return layout;
}

Shape RandomShape(RandomNumbers& random, const std::vector<ParameterLayout>& layouts, std::size_t axes) {
  Shape shape(axes, 1);
  for (std::size_t axis = 0; axis < axes; ++axis) {
    std::uint64_t parts = 1;
    for (const ParameterLayout& layout : layouts) {
      Coordinates coordinates = CoordinatesOf(layout, 0);
      std::uint64_t own = 1;
      for (std::size_t other = 0; other < axes; ++other) {
        const Split split = SplitOf(layout, other, coordinates);
        if (other == axis) own = split.parts;
      }
      if (axis == 0) own *= ShardOf(layout, coordinates).parts;
      parts = std::lcm(parts, own);
    }
    shape[axis] = parts * (1 + Below(random, 3));
  }
  return shape;
}

}  // namespace shardfs::testing
