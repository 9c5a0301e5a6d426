// The files of the root of a MindIE directory that are not weights.
// Source: spec/mindie-weight-sharder.md, section 5.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/json.h"
#include "shardfs/parallel/mindie_mapping.h"
#include "shardfs/safetensors/dtype.h"

namespace shardfs {

// config.json as modify_config writes it: re-dumped, with torch_dtype set to the model's dtype (BF16 or F16).
std::string MindieConfigJson(const JsonValue& source_config, Dtype dtype);

// model_sharded_metadata.json. `files` maps each folder to its files; the reference lists folders in the file system's
// order, here they are sorted, the root first.
std::string MindieMetadataJson(const MindieMapping& mapping,
                               const std::map<std::string, std::vector<std::string>>& files);

// Whether copy_tokenizer_files copies a file of that name.
bool MindieCopiesFile(std::string_view name);

inline constexpr std::uint64_t kMaxCopiedFileBytes = std::uint64_t{1} << 30;
inline constexpr std::size_t kMaxSourceEntries = 1024;

}  // namespace shardfs
