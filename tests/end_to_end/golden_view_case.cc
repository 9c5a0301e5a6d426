#include "end_to_end/golden_view_case.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
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

// The form of the cases of MindSpore's .ckpt: an operation, a file of the source, and options under other names.
void ReadCkptCase(const Json& json, const fs::path& directory, GoldenViewCase& golden) {
  const fs::path input = json.value("input", "");
  golden.source = input.empty() ? directory / "source" : directory / "source" / input;
  golden.expected = directory / "expected";
  golden.options = {"--layout", json["op"] == "to-safetensors" ? "safetensors" : "ckpt"};
  const Json given = json.value("options", Json::object());
  for (const auto& [name, value] : given.items()) {
    if (name == "key_hex") {
      golden.texts.emplace_back("key_file", value.get<std::string>() + "\n");
    } else if (name == "name_map") {
      golden.texts.emplace_back(name, value.dump());
    } else {
      const std::string option = name == "regex" ? "file_name_regex" : name == "mode" ? "dec_mode" : name;
      golden.options.insert(golden.options.end(), {"-O", option + "=" + Text(value)});
    }
  }
}

// The form of the LoRA cases: a base and a PEFT adapter beside it, or a checkpoint of mindformers with both in it.
void ReadLoraCase(const Json& json, const fs::path& directory, GoldenViewCase& golden) {
  golden.expected = directory / "expected";
  if (json["op"] == "peft") {
    golden.source = directory / "source/base";
    golden.options = {"--layout", "huggingface", "-O", "files=source", "--lora", directory / "source/adapter"};
    return;
  }
  const Json options = json.value("options", Json::object());
  const std::string format = options.value("format", "ckpt");
  golden.source = directory / "source" / json["input"].get<std::string>();
  golden.options = {"--layout", format, "-O",
                    "file_name=merged_lora.ckpt" + std::string(format == "safetensors" ? ".safetensors" : "")};
  for (const auto& [name, value] : options.items()) {
    if (name == "format") continue;
    golden.options.insert(golden.options.end(), {"-O", (name == "scaling" ? "lora_scaling" : name) + "=" + Text(value)});
  }
}

GoldenViewCase ReadCase(const std::string& view, const fs::path& directory) {
  std::ifstream file(directory / "case.json");
  const Json json = Json::parse(file);
  GoldenViewCase golden;
  golden.name = view + "_" + directory.filename().string();
  std::replace_if(
      golden.name.begin(), golden.name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  golden.is_refused = json.contains("refused") && json["refused"] != false;
  if (view == "lora") {
    ReadLoraCase(json, directory, golden);
    return golden;
  }
  if (view == "ckpt") {
    ReadCkptCase(json, directory, golden);
    return golden;
  }
  const fs::path of = json.contains("source_of") ? directory / json["source_of"].get<std::string>() : directory;
  golden.source = (of / json.value("source_dir", "source")).lexically_normal();
  const fs::path expected_of =
      json.contains("expected_of") ? directory / json["expected_of"].get<std::string>() : directory;
  golden.expected = (expected_of / "expected").lexically_normal();
  golden.error = json.value("error", "");
  golden.options = {"--layout", json["layout"].get<std::string>()};
  for (std::string& argument : OptionArguments(json.value("options", Json::object()), directory)) {
    golden.options.push_back(std::move(argument));
  }
  return golden;
}

// Files that a case's options name and the case has as values; there as long as the program runs.
class OptionFiles {
 public:
  std::string Write(const std::string& name, const Json& content) {
    if (directory_.empty()) {
      std::string pattern = (fs::temp_directory_path() / "shardfs-golden-XXXXXX").string();
      if (::mkdtemp(pattern.data()) == nullptr) return "/cannot-make-a-directory";
      directory_ = pattern;
    }
    const fs::path path = directory_ / name;
    std::ofstream(path) << content.dump();
    return path;
  }

  ~OptionFiles() {
    std::error_code ignored;
    if (!directory_.empty()) fs::remove_all(directory_, ignored);
  }

 private:
  fs::path directory_;
};

// The options of a case of MindSpore's tools, which has them under the tools' names.
std::vector<std::string> MindsporeArguments(const Json& json, const fs::path& directory, const std::string& name) {
  static const std::map<std::string, std::string> layouts = {
      {"unify", "mindspore-unified"}, {"transform", "mindspore"}, {"distribute", "mindspore-net"}};
  static OptionFiles files;
  std::vector<std::string> arguments = {"--from", "mindspore", "--layout", layouts.at(json["operation"])};
  const auto add = [&](const std::string& option, const std::string& value) {
    arguments.insert(arguments.end(), {"-O", option + "=" + value});
  };
  for (const char* const strategy : {"src_strategy", "dst_strategy"}) {
    if (json.contains(strategy) && !json[strategy].is_null())
      add(strategy, directory / json[strategy].get<std::string>());
  }
  if (json.value("placement", "tools") == "true") add("placement", "training");
  for (const auto& [option, value] : json["options"].items()) {
    if (option == "process_num" || option == "max_process_num") continue;  // of processes alone
    std::string text = Text(value);
    if (value.is_object()) text = files.Write(name + "-" + option + ".json", value);
    if (option == "split_dst_file") text = Text(value[0]) + "/" + Text(value[1]);
    if (option == "filter_out_param_prefix") {
      text.clear();
      for (const Json& item : value) text += (text.empty() ? "" : ",") + Text(item);
    }
    add(option, text);
  }
  return arguments;
}

// A case of MindSpore's tools; with `complete`, what shardfs shows where the tools lose data.
GoldenViewCase ReadMindsporeCase(const fs::path& directory, const Json& json, bool complete) {
  GoldenViewCase golden;
  golden.name = "mindspore_" + directory.filename().string() + (complete ? "_complete" : "");
  golden.source = (directory / json["source"].get<std::string>()).lexically_normal();
  golden.expected = directory / (complete ? "expected_complete" : "expected");
  golden.is_refused = !complete && json["refused"] != false;
  golden.options = MindsporeArguments(json, directory, golden.name);
  if (complete) golden.options.emplace_back("--complete");
  return golden;
}

// The cases of one directory: none, one, or two where a refused one has a complete form.
std::vector<GoldenViewCase> ReadCases(const std::string& view, const fs::path& directory) {
  if (view != "mindspore") return {ReadCase(view, directory)};
  std::ifstream file(directory / "case.json");
  const Json json = Json::parse(file);
  if (json["operation"] == "merge_strategies") return {};  // no view
  std::vector<GoldenViewCase> cases = {ReadMindsporeCase(directory, json, false)};
  if (fs::exists(directory / "expected_complete")) cases.push_back(ReadMindsporeCase(directory, json, true));
  return cases;
}

}  // namespace

void PrintTo(const GoldenViewCase& golden, std::ostream* out) { *out << golden.name; }

std::vector<std::string> OptionsIn(const GoldenViewCase& golden, const fs::path& directory) {
  std::vector<std::string> options = golden.options;
  for (const auto& [name, text] : golden.texts) {
    const fs::path path = directory / name;
    std::ofstream(path, std::ios::binary) << text;
    options.insert(options.end(), {"-O", name + "=" + path.string()});
  }
  return options;
}

std::vector<GoldenViewCase> GoldenViewCases(const std::string& view) {
  std::vector<fs::path> roots = {fs::path(SHARDFS_TESTS_DIR) / "golden"};
  if (const char* more = std::getenv("SHARDFS_GOLDEN_DIR"); more != nullptr) roots.emplace_back(more);
  std::vector<GoldenViewCase> cases;
  std::set<std::string> names;
  for (const fs::path& root : roots) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root / view, error)) {
      if (!fs::exists(entry.path() / "case.json")) continue;
      for (GoldenViewCase& golden : ReadCases(view, entry.path())) {
        if (fs::exists(golden.source) && names.insert(golden.name).second) cases.push_back(std::move(golden));
      }
    }
  }
  std::sort(cases.begin(), cases.end(),
            [](const GoldenViewCase& a, const GoldenViewCase& b) { return a.name < b.name; });
  return cases;
}

}  // namespace shardfs::testing
