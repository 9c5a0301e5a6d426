// A golden case of a view: a source, the layout and options as a command line gives them, and the expected directory or
// a refusal. tests/golden/VIEW/CASE/case.json; further ones below SHARDFS_GOLDEN_DIR.
#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace shardfs::testing {

struct GoldenViewCase {
  std::string name;                  // "huggingface_hub_60k", for gtest
  std::filesystem::path source;      // SOURCE
  std::filesystem::path expected;    // of a case that is shown
  std::vector<std::string> options;  // behind SOURCE and the like
  std::vector<std::pair<std::string, std::string>> texts;  // options that name a file, and what the file holds
  bool is_refused = false;
  std::string error;  // the code that the refusal begins with; empty for any
};

void PrintTo(const GoldenViewCase& golden, std::ostream* out);

// The options with those of `texts`, whose files it writes into `directory`.
std::vector<std::string> OptionsIn(const GoldenViewCase& golden, const std::filesystem::path& directory);

// The cases of tests/golden/`view`, and those of SHARDFS_GOLDEN_DIR when that is set, whose source is there.
std::vector<GoldenViewCase> GoldenViewCases(const std::string& view);

}  // namespace shardfs::testing
