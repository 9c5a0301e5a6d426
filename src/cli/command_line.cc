#include "cli/command_line.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace shardfs {
namespace {

// CLI11 reads 010 as 8, and a number that is too large as the largest.
std::string TakeDecimal(std::string& text) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = std::string_view(text).substr(negative ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return "'" + text + "' is no whole number";
  }
  const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
  std::string decimal = (negative ? "-" : "") + std::string(digits.substr(first));
  std::int64_t number = 0;
  if (std::from_chars(decimal.data(), decimal.data() + decimal.size(), number).ec != std::errc()) {
    return text + " is too large";
  }
  text = std::move(decimal);
  return "";
}

// By the name that its value has in the help; behind it come the rules that the option has itself.
bool IsNumber(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::string name = type.substr(0, type.find(':'));
  return name == "N" || name == "M" || name == "UID" || name == "GID";
}

// First of all rules, as others would say less of an empty value. CLI11 puts the option's name before what is returned.
void AddRules(CLI::Option& option) {
  if (IsNumber(option)) option.transform(CLI::Validator(TakeDecimal, ""));
  const bool positional = option.get_positional();
  option.transform(CLI::Validator(
      [positional](std::string& text) -> std::string {
        if (!text.empty()) return "";
        return positional ? "is empty; give a path" : "its value is empty; give one, or leave the option out";
      },
      ""));
}

const CLI::App* FindCommand(const CLI::App& program, const std::vector<std::string>& words) {
  const auto found = program.get_subcommands(
      [&words](const CLI::App* command) { return !words.empty() && command->get_name() == words.front(); });
  return found.empty() ? nullptr : found.front();
}

bool IsFlag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

}  // namespace

void AddValueRules(CLI::App& program) {
  for (CLI::App* command : program.get_subcommands([](CLI::App*) { return true; })) {
    for (CLI::Option* option : command->get_options()) {
      if (!IsFlag(*option)) AddRules(*option);
    }
  }
}

Status CheckWords(const CLI::App& program, const std::vector<std::string>& words) {
  const CLI::App* const command = FindCommand(program, words);
  if (command == nullptr) return Status::Ok();  // parsing says so
  for (const std::string& word : words) {
    if (word == "--") break;
    const std::size_t equals = word.find('=');
    if (!word.starts_with("--") || equals == std::string::npos) continue;
    const std::string name = word.substr(0, equals);
    const CLI::Option* const option = command->get_option_no_throw(name);
    if (option == nullptr) continue;
    const std::string value = word.substr(equals + 1);
    if (IsFlag(*option)) {
      return Status::InvalidArgument(name + " takes no value, and is given '" + value + "'; write " + name + " alone");
    }
    if (value.empty()) {
      return Status::InvalidArgument(name + ": its value is empty; give one, or leave the option out");
    }
  }
  return Status::Ok();
}

}  // namespace shardfs
