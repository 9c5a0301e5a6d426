// What a file is called until it is complete.
#pragma once

#include <string>

namespace shardfs {

// "model-norm/.model.safetensors.shardfs-tmp" for "model-norm/model.safetensors".
inline std::string TemporaryPath(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name) + ".shardfs-tmp";
}

}  // namespace shardfs
