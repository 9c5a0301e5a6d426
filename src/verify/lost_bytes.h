// Tells runs of zeros in a file that are bytes lost from those that are values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "verify/file_pass.h"

namespace shardfs {

struct LostBytes {
  std::uint32_t tensor = 0;   // the first that has lost some
  std::uint32_t tensors = 0;  // how many have
  std::uint64_t offset = 0;   // of the first run that begins in it, in the file
  std::uint64_t bytes = 0;    // of all runs that begin in it
  std::uint64_t runs = 0;
};

struct ZeroVerdict {
  std::vector<LostBytes> lost;         // ascending by offset
  std::uint64_t tensors_of_zeros = 0;  // vectors that are wholly zero, which is no sign of a loss
};

// A vector (a tensor with one axis longer than 1, or whose last axis is 1: a bias, an offset, a scale) may be all
// zeros, and a mask of booleans may hold any number of them: such tensors explain their part of a run. What is left of
// a run, in a matrix, or in a part of a vector, is lost where it is kLostBlockBytes or more. `ranges` as LayOutTensors
// gives them, `runs` as JoinZeroRuns does.
ZeroVerdict JudgeZeros(std::span<const ZeroRun> runs, std::span<const TensorRange> ranges,
                       std::span<const TensorSpec> specs);

}  // namespace shardfs
