// Shape: the sizes of a tensor's axes, outermost first, in elements. Rank 0 is a scalar; a size of 0 is an empty
// tensor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

using Shape = std::vector<std::uint64_t>;

// The number of elements. kCorruption when the product of the axes that are not empty does not fit in 64 bits, also if
// another axis is 0: whoever computes strides from an accepted shape cannot overflow.
Result<std::uint64_t> ElementCount(const Shape& shape);

std::string ShapeToString(const Shape& shape);  // "[2, 3]", "[]"

}  // namespace shardfs
