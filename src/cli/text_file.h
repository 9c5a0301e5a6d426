// Small text files as a whole, those of /proc and /sys too, whose size says nothing.
#pragma once

#include <cerrno>
#include <fstream>
#include <string>

#include "shardfs/base/result.h"

namespace shardfs {

// kNotFound or kIoError with the path; kNotSupported above `limit` bytes.
inline Result<std::string> ReadTextFile(const std::string& path, std::size_t limit = 1 << 20) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char buffer[16 << 10];
  while (text.size() <= limit && (file.read(buffer, sizeof buffer) || file.gcount() > 0)) {
    text.append(buffer, static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) return Status::FromErrno(errno, "cannot read " + path);
  if (text.size() > limit) {
    return Status::NotSupported(path + " is larger than " + std::to_string(limit) + " bytes");
  }
  return text;
}

}  // namespace shardfs
