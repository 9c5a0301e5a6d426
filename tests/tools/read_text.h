// What a file holds, for files of /proc too: a process may end while its file is read.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace shardfs {

// As much of it as can be read; empty where it cannot be opened. Does not throw, as stream iterators do.
inline std::string ReadTextOf(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

}  // namespace shardfs
