// AssembleBox: a part of a tensor, put together from the cells that devices hold.
#pragma once

#include <cstdint>
#include <functional>

#include "layout/mindspore/slice.h"
#include "shardfs/base/result.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {

// The expression of a cell of the grid, of the grid's slice of `full`.
using CellBuilder = std::function<Result<TensorPtr>(std::uint64_t cell)>;

// `full` divides by the grid, and `box` lies in it. Asks `build` once for each cell that the box touches.
Result<TensorPtr> AssembleBox(const SliceGrid& grid, const Shape& full, const Box& box, const CellBuilder& build);

// All of `full`.
Box WholeBox(const Shape& full);

}  // namespace shardfs
