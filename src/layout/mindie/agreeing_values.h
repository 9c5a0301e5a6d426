// Values of the source that must agree, looked at before anything is shown.
// Source: spec/mindie-weight-sharder.md, section 3.5: gate and up of a W8A8 MLP are packed into one linear, which has
// one input_scale and one input_offset.
//
// They are single numbers, so there are many and they are small: those that lie near each other are read at once. A
// model of 256 W8A8 experts in 58 layers has 60,000 of them. weight_offset, which is as large as a column of each
// weight, is left to `plan --check`.
#pragma once

#include "layout/mindie/deepseek_weights.h"
#include "shardfs/base/status.h"

namespace shardfs {

// kCorruption naming the first ten pairs that differ, with their values; the Status of a read that fails. `dtype` is
// the model's. Reads in parallel.
Status CheckAgreeingValues(const DeepseekWeights& weights, Dtype dtype);

}  // namespace shardfs
