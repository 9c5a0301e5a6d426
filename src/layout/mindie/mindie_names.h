// config.json under the names that MindIE reads.
//
// Newer transformers write some keys under other names: `dtype` for `torch_dtype` (4.56), `rope_parameters` for
// `rope_scaling` and `rope_theta` (5.0), and their DeepSeek classes take `num_local_experts` for `n_routed_experts`.
// MindIE knows the older names only.
//
// Free function over immutable input; thread-safe.
#pragma once

#include "shardfs/base/json.h"
#include "shardfs/base/result.h"

namespace shardfs {

// The same object with every older name that only a newer one stands for added at its end; the newer key stays, and
// nothing else changes. kCorruption where both names are there and their values differ.
Result<JsonValue> UnderMindieNames(const JsonValue& config);

}  // namespace shardfs
