// Which axes of a shape hold the elements of which axes of its reshape: what operations need that push a reshape.
#pragma once

#include <cstddef>
#include <vector>

#include "shardfs/tensor/shape.h"

namespace shardfs {

// Axes [from, from + from_count) of a shape hold the elements of axes [to, to + to_count) of its reshape.
struct AxisGroup {
  std::size_t from = 0;
  std::size_t from_count = 0;
  std::size_t to = 0;
  std::size_t to_count = 0;
};

// The smallest groups, in order. An axis of size 1 is a group of its own, with none on the other side. Sizes are not 0,
// and the shapes have as many elements.
std::vector<AxisGroup> GroupAxes(const Shape& from, const Shape& to);

}  // namespace shardfs
