// A golden case: a source checkpoint, the options of a run of the reference, and the directory that it wrote.
#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "shardfs/base/json.h"
#include "shardfs/layout/layout.h"

namespace shardfs::testing {

struct GoldenCase {
  std::string name;
  std::filesystem::path source;
  std::filesystem::path expected;  // need not exist for a case that is refused
  LayoutOptions options;
};

// What a failing test prints of its parameter.
void PrintTo(const GoldenCase& golden, std::ostream* out);

// The cases of the repository, and those of SHARDFS_GOLDEN_DIR when that is set. Names that start with `prefix` only.
std::vector<GoldenCase> GoldenCases(const std::string& prefix);
GoldenCase FindGoldenCase(const std::string& name);

std::string ReadFile(const std::filesystem::path& path);

// All regular files below `root`, by relative path.
std::vector<std::string> FilesBelow(const std::filesystem::path& root);

// Equal but for the order of the members of objects and of the items of arrays: the reference lists files in the order
// of its file system.
bool SameJson(const JsonValue& a, const JsonValue& b);

}  // namespace shardfs::testing
