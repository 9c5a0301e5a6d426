// ReadText: a small file of a source, whole: config.json, an index.
#pragma once

#include <cstdint>
#include <string>

#include "shardfs/base/result.h"
#include "shardfs/source/source_set.h"

namespace shardfs {

// kNotFound when it is missing, kNotSupported above `limit` bytes, or kCorruption where it is then not text at all.
Result<std::string> ReadText(const SourceRoot& root, const std::string& path, std::uint64_t limit);
Result<std::string> ReadText(const SourceSet& sources, const std::string& name, std::uint64_t limit);

}  // namespace shardfs
