// The tensors of a checkpoint that the rules of a state dict ask for, found and checked; all others are ignored with a
// reason, or refused.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "layout/sharded_state/model_shape.h"
#include "layout/sharded_state/output_tensor.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

struct RuleSources {
  std::vector<std::vector<std::uint32_t>> indices;  // in the checkpoint's tensors; of each rule, of each of its parts
  std::vector<IgnoredTensor> ignored;
};

// kCorruption for a tensor that is missing, has another shape than config.json says, or that nothing uses;
// kNotSupported for one that is not F32, F16 or BF16.
Result<RuleSources> FindSources(const Checkpoint& checkpoint, const ModelShape& shape,
                                std::span<const OutputTensor> rules);

}  // namespace shardfs
