// write_golden_cases DIRECTORY: the golden cases that are shown, each as a directory that a shell can run, on another
// machine as well: `source/`, `expected/`, and `options`, one argument a line, which names files relative to it.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "end_to_end/golden_view_case.h"
#include "end_to_end/layout_arguments.h"
#include "end_to_end/shown_cases.h"

namespace {

namespace fs = std::filesystem;

// Of "rules=/somewhere/rules.txt" or "/somewhere/table.json" the part that is the path of a file; empty if none.
std::string PathIn(const std::string& argument) {
  const std::size_t slash = argument.find('/');
  if (slash == std::string::npos || (slash > 0 && argument[slash - 1] != '=')) return "";
  const std::string path = argument.substr(slash);
  return fs::is_regular_file(path) ? path : "";
}

void WriteCase(const fs::path& directory, const fs::path& source, const fs::path& expected,
               const std::vector<std::string>& options) {
  fs::create_directories(directory);
  fs::copy(source, directory / "source", fs::copy_options::recursive);
  fs::copy(expected, directory / "expected", fs::copy_options::recursive);
  std::ofstream out(directory / "options");
  for (std::string argument : options) {
    if (const std::string path = PathIn(argument); !path.empty()) {
      const std::string name = fs::path(path).filename();
      fs::copy_file(path, directory / name);
      argument.replace(argument.size() - path.size(), path.size(), name);
    }
    out << argument << '\n';
  }
}

}  // namespace

int main(int count, char** arguments) {
  using namespace shardfs::testing;  // NOLINT(google-build-using-namespace)
  if (count != 2) {
    std::cerr << "usage: write_golden_cases DIRECTORY\n";
    return 2;
  }
  const fs::path root = arguments[1];
  const auto write = [&](const std::string& kind, const std::vector<GoldenCase>& cases) {
    for (const GoldenCase& golden : cases) {
      WriteCase(root / (kind + golden.name), golden.source, golden.expected, LayoutArguments(golden));
    }
  };
  write("sharder_", ShownSharderCases());
  write("loader_", ShownLoaderCases());
  for (const char* view : {"huggingface", "deepseek-mp"}) {
    for (const GoldenViewCase& golden : GoldenViewCases(view)) {
      if (!golden.is_refused) WriteCase(root / golden.name, golden.source, golden.expected, golden.options);
    }
  }
  return 0;
}
