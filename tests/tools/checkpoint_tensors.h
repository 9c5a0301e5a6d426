// The tensors of a checkpoint: names, dtypes and shapes, in the order in which public checkpoints list them.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "shardfs/base/status.h"
#include "shardfs/format/safetensors/header.h"
#include "tools/deepseek_shape.h"
#include "tools/quantisation.h"

namespace shardfs::tools {

// kInvalidArgument for a quantisation that no checkpoint of this shape has.
Status ValidateQuantisation(const Quantisation& quantisation, const DeepSeekShape& shape);

// Inputs to a group of W4A8 experts: what `quantisation` says, else the largest power of two up to 256 that cuts the
// inputs of both gate/up and down into at least two groups (1 where there is none).
std::uint64_t GroupSize(const Quantisation& quantisation, const DeepSeekShape& shape);

// Embedding, layers, norm, lm_head, MTP layers; a linear's companions follow its weight. Both arguments must be valid.
std::vector<NewTensor> CheckpointTensors(const DeepSeekShape& shape, const Quantisation& quantisation);

// Those of a float checkpoint.
std::vector<NewTensor> FloatTensors(const DeepSeekShape& shape);

}  // namespace shardfs::tools
