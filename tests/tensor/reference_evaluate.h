// The oracle: evaluates a tensor expression by the definition of each operation, element by element and all at once.
// Shares no code with the lowering or the kernels; conversions are done with the compiler's own arithmetic.
#pragma once

#include <cstddef>
#include <vector>

#include "shardfs/tensor/tensor.h"

namespace shardfs::testing {

// The tensor's bytes in row-major order. Source nodes must be over mapped sources.
std::vector<std::byte> ReferenceEvaluate(const Tensor& tensor);

}  // namespace shardfs::testing
