#include "packaging/unit_file.h"

#include <fstream>
#include <sstream>
#include <utility>

namespace shardfs {
namespace {

std::vector<std::string> SplitWords(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::string ValueIn(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

}  // namespace

Result<UnitFile> UnitFile::Read(const std::string& file, const std::string& instance, const std::string& path) {
  std::ifstream stream(file);
  if (!stream) return Status::NotFound(file);
  UnitFile unit;
  std::string section;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      section = line.substr(1, line.find(']') - 1);
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos || section.empty()) return Status::InvalidArgument(file + ": " + line);
    std::string value = line.substr(equals + 1);
    ReplaceAll(value, "%i", instance);
    ReplaceAll(value, "%f", path);
    unit.settings_.emplace(std::pair(section, line.substr(0, equals)), value);
  }
  return unit;
}

std::vector<std::string> UnitFile::Values(const std::string& section, const std::string& name) const {
  std::vector<std::string> values;
  const auto [begin, end] = settings_.equal_range({section, name});
  for (auto setting = begin; setting != end; ++setting) values.push_back(setting->second);
  return values;
}

std::string UnitFile::Value(const std::string& section, const std::string& name) const {
  const std::vector<std::string> values = Values(section, name);
  return values.size() == 1 ? values[0] : "";
}

std::vector<UnitCommand> UnitFile::Commands(const std::string& name) const {
  std::vector<UnitCommand> commands;
  for (std::string line : Values("Service", name)) {
    UnitCommand command;
    command.may_fail = line.starts_with('-');
    if (command.may_fail) line.erase(0, 1);
    command.words = SplitWords(line);
    commands.push_back(std::move(command));
  }
  return commands;
}

Result<Environment> ReadEnvironmentFile(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) return Status::NotFound(file);
  Environment environment;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) return Status::InvalidArgument(file + ": " + line);
    environment[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return environment;
}

std::vector<std::string> ExpandWords(const std::vector<std::string>& words, const Environment& environment) {
  std::vector<std::string> expanded;
  for (const std::string& word : words) {
    if (word.size() > 1 && word[0] == '$' && word[1] != '{') {
      for (std::string& part : SplitWords(ValueIn(environment, word.substr(1)))) expanded.push_back(std::move(part));
      continue;
    }
    std::string text = word;
    for (std::size_t at = 0; (at = text.find("${", at)) != std::string::npos;) {
      const std::size_t end = text.find('}', at);
      const std::string value = ValueIn(environment, text.substr(at + 2, end - at - 2));
      text.replace(at, end - at + 1, value);
      at += value.size();
    }
    expanded.push_back(std::move(text));
  }
  return expanded;
}

}  // namespace shardfs
