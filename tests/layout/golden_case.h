// A golden case: a source checkpoint, the options of a run of the reference, and the directory that it wrote.
#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "layout/mindie/mindie_layout.h"
#include "shardfs/base/json.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs::testing {

struct GoldenCase {
  std::string name;
  std::filesystem::path source;
  std::filesystem::path expected;    // need not exist for a case that is refused
  std::filesystem::path rank_table;  // empty for a run on one node
  MindieRequest options;
};

// What a failing test prints of its parameter.
void PrintTo(const GoldenCase& golden, std::ostream* out);

// How a case is run: `mindie` (fidelity=sharder) and `mindie-loader` (fidelity=loader, with the sources of `mindie`).
enum class GoldenVariant { kSharder, kLoader };

// The cases of the repository, and those of SHARDFS_GOLDEN_DIR when that is set. Names that start with `prefix` only.
std::vector<GoldenCase> GoldenCases(const std::string& prefix, GoldenVariant variant = GoldenVariant::kSharder);
GoldenCase FindGoldenCase(const std::string& name);

// A directory as the huggingface reader gives it, without options.
Result<CheckpointPtr> OpenSource(const std::filesystem::path& directory);

std::string ReadFile(const std::filesystem::path& path);

// All regular files below `root` but those that materialize adds (".shardfs-..."), by relative path.
std::vector<std::string> FilesBelow(const std::filesystem::path& root);

// Equal but for the order of the members of objects and of the items of arrays: the reference lists files in the order
// of its file system.
bool SameJson(const JsonValue& a, const JsonValue& b);

// The same for model_sharded_metadata.json, but for the key by which loader's variant is marked, and for the list of
// what lay in the root.
bool SameMetadata(const JsonValue& actual, const JsonValue& expected);

}  // namespace shardfs::testing
