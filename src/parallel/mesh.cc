#include "parallel/mesh.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace shardfs {
namespace {

auto FindAxis(std::span<const MeshAxis> axes, std::string_view name) {
  return std::find_if(axes.begin(), axes.end(), [name](const MeshAxis& axis) { return axis.name == name; });
}

}  // namespace

Result<Mesh> Mesh::Create(std::span<const MeshAxis> axes, std::string_view order) {
  Mesh mesh;
  for (std::size_t begin = 0; begin <= order.size();) {
    const std::size_t end = std::min(order.find('-', begin), order.size());
    const std::string_view name = order.substr(begin, end - begin);
    begin = end + 1;
    const auto axis = FindAxis(axes, name);
    if (axis == axes.end()) return Status::InvalidArgument(fmt::format("order {} has '{}', no axis", order, name));
    if (FindAxis(mesh.axes_, name) != std::span<const MeshAxis>(mesh.axes_).end()) {
      return Status::InvalidArgument(fmt::format("order {} has {} twice", order, name));
    }
    mesh.axes_.push_back(*axis);
  }
  for (const MeshAxis& axis : axes) {
    if (FindAxis(mesh.axes_, axis.name) != std::span<const MeshAxis>(mesh.axes_).end()) continue;
    if (axis.size != 1) {
      return Status::InvalidArgument(fmt::format("order {} lacks {}, whose size is {}", order, axis.name, axis.size));
    }
    mesh.axes_.push_back(axis);
  }
  std::uint64_t size = 1;
  for (const MeshAxis& axis : mesh.axes_) {
    if (axis.size == 0) return Status::InvalidArgument(fmt::format("{} is 0", axis.name));
    if (axis.size > kMostRanks / size) {
      return Status::InvalidArgument(fmt::format("the sizes make more than {} ranks", kMostRanks));
    }
    size *= axis.size;
  }
  mesh.size_ = static_cast<std::uint32_t>(size);
  return mesh;
}

std::uint32_t Mesh::CoordinateOf(std::uint32_t rank, std::string_view axis) const {
  std::uint64_t rest = rank;
  for (const MeshAxis& one : axes_) {
    if (one.name == axis) return static_cast<std::uint32_t>(rest % one.size);
    rest /= one.size;
  }
  assert(false);
  return 0;
}

}  // namespace shardfs
