#include "end_to_end/golden_view_case.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string Text(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// "-O NAME=VALUE" of each option, lists joined with commas.
std::vector<std::string> OptionArguments(const Json& options, const fs::path& directory) {
  std::vector<std::string> arguments;
  for (const auto& [name, value] : options.items()) {
    if (name == "mtp") {
      arguments.push_back(value.get<bool>() ? "--mtp" : "--no-mtp");
      continue;
    }
    std::string text;
    if (value.is_array()) {
      for (const Json& item : value) text += (text.empty() ? "" : ",") + Text(item);
    } else {
      text = name == "rules" ? (directory / Text(value)).string() : Text(value);
    }
    arguments.insert(arguments.end(), {"-O", name + "=" + text});
  }
  return arguments;
}

GoldenViewCase ReadCase(const std::string& view, const fs::path& directory) {
  std::ifstream file(directory / "case.json");
  const Json json = Json::parse(file);
  GoldenViewCase golden;
  golden.name = view + "_" + directory.filename().string();
  std::replace_if(
      golden.name.begin(), golden.name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  const fs::path of = json.contains("source_of") ? directory / json["source_of"].get<std::string>() : directory;
  golden.source = (of / json.value("source_dir", "source")).lexically_normal();
  const fs::path expected_of =
      json.contains("expected_of") ? directory / json["expected_of"].get<std::string>() : directory;
  golden.expected = (expected_of / "expected").lexically_normal();
  golden.is_refused = json.contains("refused") && json["refused"] != false;
  golden.options = {"--layout", json["layout"].get<std::string>()};
  for (std::string& argument : OptionArguments(json.value("options", Json::object()), directory)) {
    golden.options.push_back(std::move(argument));
  }
  return golden;
}

}  // namespace

void PrintTo(const GoldenViewCase& golden, std::ostream* out) { *out << golden.name; }

std::vector<GoldenViewCase> GoldenViewCases(const std::string& view) {
  std::vector<fs::path> roots = {fs::path(SHARDFS_TESTS_DIR) / "golden"};
  if (const char* more = std::getenv("SHARDFS_GOLDEN_DIR"); more != nullptr) roots.emplace_back(more);
  std::vector<GoldenViewCase> cases;
  std::set<std::string> names;
  for (const fs::path& root : roots) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root / view, error)) {
      if (!fs::exists(entry.path() / "case.json")) continue;
      GoldenViewCase golden = ReadCase(view, entry.path());
      if (fs::exists(golden.source) && names.insert(golden.name).second) cases.push_back(std::move(golden));
    }
  }
  std::sort(cases.begin(), cases.end(),
            [](const GoldenViewCase& a, const GoldenViewCase& b) { return a.name < b.name; });
  return cases;
}

}  // namespace shardfs::testing
