// shardfs layouts: lists what can be read, transformed and shown, with the options of each. Other formats of the list
// feed the man page and the completions, so that an option is declared once.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/nearest_name.h"
#include "base/quote_name.h"
#include "cli/commands.h"
#include "console/output.h"
#include "option/declared_options.h"
#include "shardfs/layout/registry.h"
#include "shardfs/transform/transform.h"

namespace shardfs {
namespace {

struct LayoutsArguments {
  std::string name;    // of one of them; empty for all
  std::string preset;  // whose text is printed; empty for none
  std::string format = "text";
};

struct Entry {
  OptionTaker taker;
  std::string_view summary;
  std::span<const LayoutPreset> presets = {};
  std::optional<LayoutTable> table = std::nullopt;
};

std::vector<Entry> Entries() {
  std::vector<Entry> entries;
  const auto add = [&](std::string_view kind, const auto& all) {
    for (const auto* const one : all) entries.push_back({{kind, one->name(), one->options()}, one->summary()});
  };
  add("reader", Readers());
  add("transform", Transforms());
  add("layout", Layouts());
  for (Entry& entry : entries) {
    if (entry.taker.kind == "layout") entry.presets = FindLayout(entry.taker.name)->presets();
    if (entry.taker.kind == "layout") entry.table = FindLayout(entry.taker.name)->table();
  }
  return entries;
}

constexpr std::size_t kSpellingWidth = 26;  // of an option in the text; what is longer stands on a line of its own

std::string Spelling(const OptionSpec& spec) {
  if (spec.kind == OptionKind::kSwitch) {
    return fmt::format("{0}, --no{1}", OptionFlagOf(spec.name), OptionFlagOf(spec.name).substr(1));
  }
  return fmt::format("{} {}", OptionFlagOf(spec.name), spec.value);
}

void PrintText(const std::vector<Entry>& entries) {
  std::string_view kind;
  for (const Entry& entry : entries) {
    if (entry.taker.kind != kind) {
      kind = entry.taker.kind;
      std::cout << (kind == "reader"      ? "Read (--from):\n"
                    : kind == "transform" ? "Transformed, in this order:\n"
                                          : "Shown (--layout):\n");
    }
    std::cout << fmt::format("  {:<12} {}\n", entry.taker.name, entry.summary);
    for (const OptionSpec& spec : entry.taker.options) {
      const std::string spelling = Spelling(spec);
      const std::string gap = spelling.size() > kSpellingWidth ? "\n" + std::string(kSpellingWidth + 4, ' ') : "";
      std::cout << fmt::format("    {:<{}}{} {}", spelling, kSpellingWidth, gap, spec.summary);
      if (!spec.choices.empty()) std::cout << fmt::format(": {}", fmt::join(spec.choices, ", "));
      if (!spec.fallback.empty()) std::cout << fmt::format(" (default: {})", spec.fallback);
      if (!spec.alias.empty()) std::cout << fmt::format("; also {}", OptionFlagOf(spec.alias));
      if (!spec.environment.empty()) std::cout << fmt::format("; environment {}", spec.environment);
      std::cout << "\n";
    }
    if (!entry.presets.empty()) std::cout << "    Presets (`shardfs layouts NAME --preset PRESET` prints one):\n";
    for (const LayoutPreset& preset : entry.presets) {
      std::cout << fmt::format("      {:<{}} {}\n", preset.name, kSpellingWidth - 2, preset.summary);
    }
    if (entry.table) std::cout << entry.table->text;
  }
}

void PrintJson(const std::vector<Entry>& entries) {
  auto list = nlohmann::ordered_json::array();
  for (const Entry& entry : entries) {
    auto options = nlohmann::ordered_json::array();
    for (const OptionSpec& spec : entry.taker.options) {
      options.push_back({{"name", spec.name},
                         {"alias", spec.alias},
                         {"value", spec.value},
                         {"summary", spec.summary},
                         {"default", spec.fallback},
                         {"choices", spec.choices},
                         {"environment", spec.environment}});
    }
    list.push_back({{"kind", entry.taker.kind},
                    {"name", entry.taker.name},
                    {"summary", entry.summary},
                    {"options", std::move(options)}});
    for (const LayoutPreset& preset : entry.presets) {
      list.back()["presets"].push_back({{"name", preset.name}, {"summary", preset.summary}});
    }
    if (entry.table) list.back()[entry.table->option] = nlohmann::ordered_json::parse(entry.table->json);
  }
  std::cout << list.dump(2) << "\n";
}

// Text of roff: a leading dot or quote would be a request, a hyphen is a minus, a backslash begins an escape.
std::string Roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '-')
      escaped += "\\-";
    else if (c == '\\')
      escaped += "\\e";
    else
      escaped += c;
  }
  return escaped.starts_with('.') || escaped.starts_with('\'') ? "\\&" + escaped : escaped;
}

// The fragment of the man pages of all commands that have these options.
void PrintMan(const std::vector<Entry>& entries) {
  std::vector<OptionTaker> takers;
  for (const Entry& entry : entries) takers.push_back(entry.taker);
  for (const DeclaredOption& option : DeclaredOptions(takers)) {
    std::vector<std::string> names = {option.name};
    names.insert(names.end(), option.aliases.begin(), option.aliases.end());
    std::string tag;
    const auto add = [&](const std::string& spelling) {
      tag += (tag.empty() ? "" : "\\fR, ") + std::string("\\fB") + Roff(spelling);
      if (option.kind != OptionKind::kSwitch) tag += "\\fR \\fI" + Roff(option.value);
    };
    for (const std::string& name : names) {
      add(OptionFlagOf(name));
      if (name.find('_') != std::string::npos) add("--" + name);
      if (option.kind != OptionKind::kSwitch) continue;
      add("--no" + OptionFlagOf(name).substr(1));
      if (name.find('_') != std::string::npos) add("--no_" + name);
    }
    std::cout << ".TP\n" << tag << "\\fR\n" << Roff(option.help) << ".\n";
  }
}

// What completions need, a line each: a layout's name behind "layout", or an option's name, or alias, and its choices.
void PrintWords() {
  for (const Entry& entry : Entries()) std::cout << entry.taker.kind << " " << entry.taker.name << "\n";
  for (const DeclaredOption& option : DeclaredOptions(AllTakers())) {
    const std::string choices =
        option.kind == OptionKind::kSwitch ? "true false" : fmt::format("{}", fmt::join(option.choices, " "));
    std::cout << fmt::format("option {} {}\n", option.name, choices);
    for (const std::string& alias : option.aliases) std::cout << fmt::format("option {} {}\n", alias, choices);
  }
}

// The text as it is, so that it can be the start of a file of one's own.
int PrintPreset(const std::vector<Entry>& entries, const LayoutsArguments& arguments) {
  std::vector<std::string> known;
  for (const Entry& entry : entries) {
    for (const LayoutPreset& preset : entry.presets) {
      if (preset.name == arguments.preset) {
        std::cout << preset.text << (preset.text.ends_with('\n') ? "" : "\n");
        return FinishOutput("the preset", 0);
      }
      known.emplace_back(preset.name);
    }
  }
  const std::string whose = arguments.name.empty() ? "" : arguments.name + " has ";
  return ExitCodeOf(Status::InvalidArgument(
      known.empty() ? whose + "no presets; `shardfs layouts` lists what has"
                    : fmt::format("there is no preset {}; there is {}{}", QuoteName(arguments.preset),
                                  fmt::join(known, ", "), DidYouMean(arguments.preset, known))));
}

int RunLayouts(const LayoutsArguments& arguments) {
  std::vector<Entry> entries = Entries();
  if (!arguments.name.empty()) {
    std::erase_if(entries, [&](const Entry& entry) { return entry.taker.name != arguments.name && entry.taker.kind != arguments.name; });
    if (entries.empty()) {
      return ExitCodeOf(Status::InvalidArgument("there is no reader, transform or layout '" + arguments.name +
                                                "'; `shardfs layouts` lists them"));
    }
  }
  if (!arguments.preset.empty()) return PrintPreset(entries, arguments);
  if (arguments.format == "json")
    PrintJson(entries);
  else if (arguments.format == "man")
    PrintMan(entries);
  else if (arguments.format == "words")
    PrintWords();
  else
    PrintText(entries);
  return FinishOutput("the list", 0);
}

}  // namespace

Command AddLayoutsCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("layouts", "List what can be read, transformed and shown, with its options");
  const auto arguments = std::make_shared<LayoutsArguments>();
  app->add_option("NAME", arguments->name, "Only this reader, transform or layout, or all of one kind: reader, transform, layout");
  app->add_option("--preset", arguments->preset, "Print this built-in table of rules, to start a file for --rules from")
      ->type_name("PRESET");
  app->add_option("--format", arguments->format, "text, json, or what the man page (man) and completions (words) need")
      ->check(CLI::IsMember({"text", "json", "man", "words"}))
      ->type_name("FORMAT");
  app->add_flag_callback(
      "--json", [arguments] { arguments->format = "json"; }, "The same as --format json");
  return {app, [arguments] { return RunLayouts(*arguments); }};
}

}  // namespace shardfs
