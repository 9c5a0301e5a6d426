// A golden case of a view: a source, the layout and options as a command line gives them, and the expected directory or
// a refusal. tests/golden/VIEW/CASE/case.json; further ones below SHARDFS_GOLDEN_DIR.
#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

namespace shardfs::testing {

struct GoldenViewCase {
  std::string name;                  // "huggingface_hub_60k", for gtest
  std::filesystem::path source;      // SOURCE
  std::filesystem::path expected;    // of a case that is shown
  std::vector<std::string> options;  // behind SOURCE and the like
  bool is_refused = false;
  std::string error;  // the code that the refusal begins with; empty for any
};

void PrintTo(const GoldenViewCase& golden, std::ostream* out);

// The cases of tests/golden/`view`, and those of SHARDFS_GOLDEN_DIR when that is set, whose source is there.
std::vector<GoldenViewCase> GoldenViewCases(const std::string& view);

}  // namespace shardfs::testing
