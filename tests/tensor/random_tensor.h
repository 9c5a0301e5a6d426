// Random tensor expressions over random sources, for property tests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "shardfs/tensor/tensor.h"
#include "tensor/memory_source.h"

namespace shardfs::testing {

// Gives a number below its argument.
using Choose = std::function<std::uint64_t(std::uint64_t bound)>;

// An expression of up to `depth` operations and a few hundred elements. The sources are appended to `sources`, which
// must outlive the expression. Sources hold any bits, NaNs among them; subtract-min, which leaves NaN payloads to the
// machine, is tested apart.
TensorPtr RandomTensor(const Choose& below, int depth, std::vector<std::unique_ptr<MemorySource>>* sources);
TensorPtr RandomTensor(std::mt19937_64* random, int depth, std::vector<std::unique_ptr<MemorySource>>* sources);

}  // namespace shardfs::testing
