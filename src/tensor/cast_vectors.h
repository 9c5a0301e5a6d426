// Casts by the processor's own conversion instructions: F16C with AVX2 on x86-64, NEON on AArch64.
//
// They round to nearest even and treat NaN as cast_kernels.h says as long as nobody changes the rounding mode of the
// thread, which is so in this program.
// Thread-safety: pure functions.
#pragma once

#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/cast_kernels.h"

namespace shardfs {

// nullptr where this processor has no such instructions, or no conversion is defined.
CastKernel FindVectorCastKernel(Dtype from, Dtype to);

}  // namespace shardfs
