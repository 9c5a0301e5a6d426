// A Hugging Face cache given as a checkpoint: the snapshot that is meant.
#pragma once

#include <optional>
#include <string>

#include "shardfs/base/result.h"

namespace shardfs {

// Returns the path of the only snapshot in a model's folder of the cache (models--OWNER--NAME, with blobs/, refs/ and
// snapshots/) or in its snapshots/. kInvalidArgument where there are several, or none, or where the directory is the
// cache of many models: it names what can be given, and which snapshot refs/main means. Nothing when the directory is
// no such cache. `path`: absolute, links resolved.
Result<std::optional<std::string>> FindSnapshot(const std::string& path);

}  // namespace shardfs
