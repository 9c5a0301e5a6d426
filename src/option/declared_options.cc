#include "option/declared_options.h"

#include <fmt/format.h>

#include <algorithm>

namespace shardfs {
namespace {

std::string HelpOf(const OptionSpec& spec) {
  std::string help(spec.summary);
  if (!spec.fallback.empty()) help += fmt::format(" (default: {})", spec.fallback);
  return help;
}

void Add(const OptionTaker& taker, const OptionSpec& spec, DeclaredOption& option) {
  option.takers.emplace_back(taker.name);
  const bool is_new = std::find(option.aliases.begin(), option.aliases.end(), spec.alias) == option.aliases.end();
  if (!spec.alias.empty() && is_new) option.aliases.emplace_back(spec.alias);
  for (const std::string_view choice : spec.choices) {
    if (std::find(option.choices.begin(), option.choices.end(), choice) == option.choices.end()) {
      option.choices.emplace_back(choice);
    }
  }
  if (option.takers.size() == 1) {
    option.help = HelpOf(spec);
    option.group = fmt::format("Options of {}", taker.name);
    return;
  }
  if (option.takers.size() == 2) option.help = fmt::format("{}: {}", option.takers.front(), option.help);
  option.help += fmt::format("; {}: {}", taker.name, HelpOf(spec));
  option.group = "Options of several";
}

// An alias that another option has for its name is that option's word on the command line; OptionValues still knows it
// as the alias where its declarer is the one that takes it.
void LeaveNamesToTheirOptions(std::vector<DeclaredOption>& options) {
  for (DeclaredOption& option : options) {
    std::erase_if(option.aliases, [&](const std::string& alias) {
      return std::any_of(options.begin(), options.end(), [&](const DeclaredOption& one) { return one.name == alias; });
    });
  }
}

}  // namespace

std::vector<DeclaredOption> DeclaredOptions(std::span<const OptionTaker> takers) {
  std::vector<DeclaredOption> options;
  for (const OptionTaker& taker : takers) {
    for (const OptionSpec& spec : taker.options) {
      auto found = std::find_if(options.begin(), options.end(),
                                [&](const DeclaredOption& option) { return option.name == spec.name; });
      if (found == options.end()) {
        DeclaredOption option;
        option.name = spec.name;
        option.kind = spec.kind;
        option.value = spec.value;
        found = options.insert(options.end(), std::move(option));
      }
      Add(taker, spec, *found);
    }
  }
  LeaveNamesToTheirOptions(options);
  return options;
}

}  // namespace shardfs
