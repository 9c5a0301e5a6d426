// The state dict of an engine for a model and a cut, as rules over the tensors of a Hugging Face checkpoint.
// Source: spec/sharded-state.md, sections 3 to 5.
#pragma once

#include <vector>

#include "layout/sharded_state/engine_names.h"
#include "layout/sharded_state/model_shape.h"
#include "layout/sharded_state/output_tensor.h"
#include "layout/sharded_state/sharded_options.h"
#include "shardfs/base/result.h"

namespace shardfs {

// The tensors in the order of the state dict; the same for all ranks. kInvalidArgument for a size that tp does not
// divide, or a tensor that the model needs and the table of names does not have.
Result<std::vector<OutputTensor>> StateDictRules(const ModelShape& shape, const EngineNames& names,
                                                 const ShardedCut& cut);

}  // namespace shardfs
