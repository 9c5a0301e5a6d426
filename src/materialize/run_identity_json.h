// Parts of JSON that the journal and the manifest share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shardfs/base/json.h"
#include "shardfs/base/result.h"
#include "shardfs/materialize/manifest.h"

namespace shardfs {

inline constexpr std::uint64_t kMaxFileBytes = (std::uint64_t{1} << 62);

JsonValue ToJson(const RunIdentity& run);

// kCorruption, with `what` in front, for what is not an object of strings.
Result<RunIdentity> RunFromJson(const JsonValue* json, std::string_view what);

// A path, a size and a digest under the given key for the path.
Result<ManifestFile> FileFromJson(const JsonValue& json, std::string_view path_key, std::string_view what);

// "text", quoted and escaped on one line.
std::string QuoteJson(const std::string& text);

}  // namespace shardfs
