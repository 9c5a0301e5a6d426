// Merging of the LoRA parameters that MindSpore Transformers keeps inside a checkpoint, beside the base's.
// Source: spec/lora.md, section 3.
#pragma once

#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

// The checkpoint without its LoRA parameters, of which those of the base are merged at `scaling`. kInvalidArgument
// where it has none; kCorruption for a parameter without its base or its partner, or shapes that do not fit;
// kNotSupported for dtypes other than F32, F16 and BF16.
Result<CheckpointPtr> MergeLoraParameters(const Checkpoint& checkpoint, double scaling);

}  // namespace shardfs
