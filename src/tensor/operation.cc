#include "tensor/operation.h"

namespace shardfs {

Movement Movement::Slice(std::uint64_t axis, std::uint64_t begin, std::uint64_t count) {
  Movement movement;
  movement.axis = axis;
  movement.begin = begin;
  movement.count = count;
  return movement;
}

Movement Movement::Permute(std::span<const std::uint64_t> axes) {
  Movement movement;
  movement.kind = Kind::kPermute;
  movement.indices.assign(axes.begin(), axes.end());
  return movement;
}

Movement Movement::RowGather(std::uint64_t axis, std::span<const std::uint64_t> rows) {
  Movement movement;
  movement.kind = Kind::kRowGather;
  movement.axis = axis;
  movement.indices.assign(rows.begin(), rows.end());
  return movement;
}

Movement Movement::Reshape(const Shape& shape) {
  Movement movement;
  movement.kind = Kind::kReshape;
  movement.indices = shape;
  return movement;
}

Shape Movement::Of(const Shape& shape) const {
  Shape moved = shape;
  switch (kind) {
    case Kind::kSlice:
      moved[axis] = count;
      break;
    case Kind::kRowGather:
      moved[axis] = indices.size();
      break;
    case Kind::kPermute:
      for (std::size_t i = 0; i < indices.size(); ++i) moved[i] = shape[indices[i]];
      break;
    case Kind::kReshape:
      moved = indices;
      break;
  }
  return moved;
}

}  // namespace shardfs
