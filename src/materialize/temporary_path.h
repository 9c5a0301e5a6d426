// What a file is called until it is complete.
#pragma once

#include <span>
#include <string>

#include "shardfs/base/file_digest.h"

namespace shardfs {

// "model-norm/.shardfs-tmp-<digest of the name>" for "model-norm/model.safetensors": as short for the longest name, and
// never the name of a file of the view, which does not begin with kReservedPrefix.
inline std::string TemporaryPath(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  const auto bytes = std::as_bytes(std::span(path).subspan(name));
  return path.substr(0, name) + ".shardfs-tmp-" + FileDigest::OfBytes(bytes).ToHex();
}

}  // namespace shardfs
