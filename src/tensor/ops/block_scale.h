// ops::BlockScale: a tensor of E4M3 codes with one scale for each block, as BF16.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "shardfs/tensor/tensor.h"

namespace shardfs::ops {

// Called when a read meets a NaN code, from any number of threads at once.
using NanReport = std::function<void()>;

// Element [i, j, ...] is codes[i, j, ...] times scales[i / block[0], j / block[1], ...], as fp8_kernels.h defines it.
// `codes` are F8_E4M3; `scales` are F32, BF16, F16 or F8_E8M0, as many along each axis as blocks are, cut short at the
// edge. kNotSupported for other dtypes, kInvalidArgument for another shape. `on_nan` may be empty.
Result<TensorPtr> BlockScale(TensorPtr codes, TensorPtr scales, Shape block, NanReport on_nan = {});

}  // namespace shardfs::ops
