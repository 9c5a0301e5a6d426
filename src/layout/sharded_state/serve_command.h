// What to type to serve a directory of this layout, and what an engine does to it that the directory cannot prevent.
// Source: spec/sharded-state.md, sections 6 and 7.
#pragma once

#include <string>
#include <vector>

#include "layout/sharded_state/engine_names.h"
#include "layout/sharded_state/model_shape.h"
#include "layout/sharded_state/sharded_options.h"

namespace shardfs {

// "vllm serve DIR --load-format sharded_state --tensor-parallel-size 8 --enable-expert-parallel".
std::string ServeCommand(const ModelShape& shape, const EngineNames& names, const ShardedCut& cut,
                         const std::string& directory);

// Whether the release derives MLA's absorbed weights before it loads the files, from memory that nothing has filled.
bool DerivesLatentWeightsEarly(const ModelShape& shape, const EngineNames& names);

// Whether the release loads the files behind what a backend has done to the weights of experts, and not before it.
bool LoadsBehindBackend(const EngineNames& names);

// What holds of every directory for this model and release.
std::vector<std::string> EngineWarnings(const ModelShape& shape, const EngineNames& names, const ShardedCut& cut);

}  // namespace shardfs
