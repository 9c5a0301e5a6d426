#include "cli/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "base/nearest_name.h"
#include "base/user_names.h"
#include "option/declared_options.h"
#include "shardfs/layout/registry.h"

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

// A name becomes the number that it stands for.
template <typename Id>
std::string TakeId(std::string& text, const Result<Id>& id) {
  if (!id.ok()) return std::string(id.status().message());
  text = std::to_string(*id);
  return "";
}

// The name that its value has in the help; behind it come the rules that the option has itself.
std::string ValueName(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

// First of all rules, as others would say less of an empty value. CLI11 puts the option's name before what is returned.
void AddRules(CLI::Option& option) {
  const std::string value = ValueName(option);
  if (value == "N" || value == "M") option.transform(CLI::Validator(TakeDecimal, ""));
  if (value == "USER") {
    option.transform(CLI::Validator([](std::string& text) { return TakeId(text, ParseUser(text)); }, ""));
  } else if (value == "GROUP") {
    option.transform(CLI::Validator([](std::string& text) { return TakeId(text, ParseGroup(text)); }, ""));
  }
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

std::vector<std::string> OptionNames(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// "mount has it", "mount and materialize have it", of an option; empty where no subcommand has.
std::string CommandsWith(const CLI::App& program, const std::string& option) {
  std::vector<std::string> names;
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_option_no_throw(option) != nullptr) names.push_back(command->get_name());
  }
  const std::string all = fmt::format("{}", fmt::join(names, ", "));
  if (names.size() < 2) return names.empty() ? "" : all + " has it";
  const std::size_t last = all.rfind(", ");
  return all.substr(0, last) + " and " + all.substr(last + 2) + " have it";
}

// What to type instead of an option that `command` does not have, as the end of a message.
std::string Instead(const CLI::App& program, const CLI::App& command, const std::string& option) {
  if (const std::string meant = DidYouMean(option, OptionNames(command)); !meant.empty()) return meant;
  const std::string others = CommandsWith(program, option);
  if (!others.empty()) return "; " + others;
  return fmt::format("; `shardfs {} --help` lists those that it has", command.get_name());
}

}  // namespace

void AddValueRules(CLI::App& program) {
  for (CLI::App* command : program.get_subcommands([](CLI::App*) { return true; })) {
    for (CLI::Option* option : command->get_options()) {
      if (!IsFlag(*option)) AddRules(*option);
    }
  }
}

Status UnknownOption(const CLI::App& program, const CLI::App& command, const std::string& option) {
  return Status::InvalidArgument(
      fmt::format("shardfs {} has no option {}{}", command.get_name(), option, Instead(program, command, option)));
}

Status UnknownWord(const CLI::App& program, const std::string& word) {
  if (word.starts_with('-')) {
    std::string end = DidYouMean(word, OptionNames(program));
    if (end.empty()) end = "; options stand behind the subcommand, and `shardfs --help` lists these";
    return Status::InvalidArgument(fmt::format("shardfs has no option {}{}", word, end));
  }
  std::vector<std::string> names;
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  std::string end = DidYouMean(word, names);
  if (end.empty() && word.find('/') != std::string::npos) {
    end = "; to show a checkpoint, write `shardfs mount SOURCE MOUNTPOINT`";
  } else if (end.empty()) {
    end = fmt::format("; there is {}", fmt::join(names, ", "));
  }
  return Status::InvalidArgument(fmt::format("there is no subcommand '{}'{}", word, end));
}

Status CheckWords(const CLI::App& program, const std::vector<std::string>& words) {
  const CLI::App* const command = FindCommand(program, words);
  if (command == nullptr) return Status::Ok();  // parsing says so
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") break;
    const std::size_t equals = word.find('=');
    if (!word.starts_with("--")) continue;
    const std::string name = word.substr(0, equals);
    const CLI::Option* const option = command->get_option_no_throw(name);
    if (option == nullptr) return UnknownOption(program, *command, name);
    if (equals == std::string::npos) {
      const bool followed = i + 1 < words.size() && words[i + 1].starts_with("--");
      if (!followed || IsFlag(*option) || option->get_items_expected_min() == 0) continue;
      return Status::InvalidArgument(
          fmt::format("{} needs a value right behind it, and {} stands there", name, words[i + 1]));
    }
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
