// GatheredDevices: which devices of the source MindSpore's tools read for one device of the destination. Any devices
// that cover its slice would give the same bytes where replicas agree; which ones the tools take decides which missing
// file is an error, and whose other tensors are handed on. (spec/mindspore.md, section 2.7)
#pragma once

#include <cstdint>
#include <vector>

#include "layout/mindspore/slice.h"
#include "shardfs/base/result.h"

namespace shardfs {

// The devices, ascending, as the tools count them: from 0, below the larger of both device numbers. `device` is one of
// these; `full` has the axes of both grids. kInvalidArgument where the device numbers do not divide one another.
Result<std::vector<std::uint32_t>> GatheredDevices(const SliceGrid& source, const SliceGrid& destination,
                                                   const Shape& full, std::uint32_t device);

// The shape that the tools go by when they list the files that a rank needs: large enough for both layouts.
Shape MadeUpShape(const SliceGrid& source, std::uint32_t source_devices, std::uint32_t destination_devices);

}  // namespace shardfs
