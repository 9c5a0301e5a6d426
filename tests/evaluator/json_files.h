// The JSON files and the copied ones (spec/mindie-weight-sharder.md, section 5; mindie-loader-variant.md, rules 4, 5).
#pragma once

#include <map>
#include <string>

#include "evaluator/state_dict.h"

namespace shardfs::evaluator {

// Every file of the root but the metadata, by name. `state` is rank 0's.
std::map<std::string, std::string> RootFiles(const Setting& setting, const StateDict& state);

// model_sharded_metadata.json for these files and folders.
JsonValue Metadata(const Setting& setting, const Directory& directory);

}  // namespace shardfs::evaluator
