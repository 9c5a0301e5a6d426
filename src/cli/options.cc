#include "cli/options.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "console/message_text.h"
#include "console/output.h"
#include "option/declared_options.h"
#include "shardfs/layout/registry.h"

namespace shardfs {
namespace {

// "--moe-tp,--moe_tp"
std::string Spellings(std::string_view name) {
  const std::string flag = OptionFlagOf(name);
  const std::string underscored = "--" + std::string(name);
  return flag == underscored ? flag : flag + "," + underscored;
}

// "--is-on,!--no-is-on,--is_on,!--no_is_on"
std::string SwitchSpellings(std::string_view name) {
  const std::string flag = OptionFlagOf(name);
  std::string spellings = fmt::format("{},!--no-{}", flag, flag.substr(2));
  if (name.find('_') != std::string_view::npos) spellings += fmt::format(",--{0},!--no_{0}", name);
  return spellings;
}

std::string AllSpellings(const DeclaredOption& option) {
  std::string spellings = Spellings(option.name);
  for (const std::string& alias : option.aliases) spellings += "," + Spellings(alias);
  return spellings;
}

void Give(ViewRequest& request, std::string_view name, std::string text) {
  request.options.push_back({std::string(name), std::move(text), OptionOrigin::kCommandLine, OptionFlagOf(name)});
}

void AddSwitch(CLI::App& command, const DeclaredOption& option, ViewRequest& request) {
  const std::string name = option.name;
  const std::string flag = OptionFlagOf(name);
  std::string spellings = SwitchSpellings(name);
  for (const std::string& alias : option.aliases) spellings += "," + SwitchSpellings(alias);
  command
      .add_flag_function(
          spellings,
          [&request, name, flag](std::int64_t count) {  // of the first, less that of the second
            if (count == 0)
              throw CLI::ValidationError(flag, "contradicts --no-" + flag.substr(2) + "; give one of them");
            Give(request, name, count > 0 ? "true" : "false");
          },
          option.help)
      ->group(option.group);
}

void AddOption(CLI::App& command, const DeclaredOption& option, ViewRequest& request) {
  if (option.kind == OptionKind::kSwitch) return AddSwitch(command, option, request);
  const std::string name = option.name;
  CLI::Option* const added = command.add_option_function<std::vector<std::string>>(
      AllSpellings(option),
      [&request, name](const std::vector<std::string>& texts) {
        for (const std::string& text : texts) Give(request, name, text);
      },
      option.help);
  added->group(option.group)->type_name(option.value)->allow_extra_args(false)->type_size(1)->expected(1);
  added->multi_option_policy(option.kind == OptionKind::kList ? CLI::MultiOptionPolicy::TakeAll
                                                              : CLI::MultiOptionPolicy::Throw);
}

void AddAssignments(CLI::App& command, ViewRequest& request) {
  command
      .add_option_function<std::vector<std::string>>(
          "-O",
          [&request](const std::vector<std::string>& assignments) {
            for (const std::string& assignment : assignments) {
              const std::size_t equals = assignment.find('=');
              if (equals == std::string::npos || equals == 0) {
                throw CLI::ValidationError("-O", "wants NAME=VALUE, and got '" + assignment + "'");
              }
              const std::string name = OptionNameOf(assignment.substr(0, equals));
              request.options.push_back(
                  {name, assignment.substr(equals + 1), OptionOrigin::kCommandLine, "-O " + name});
            }
          },
          "Any option below, as NAME=VALUE; may be given again for another")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->group("View");
}

void AddSource(CLI::App& command, ViewRequest& request) {
  command.add_option("SOURCE", request.source, "Directory of the checkpoint, or one safetensors file")->required();
}

void AddFrom(CLI::App& command, ViewRequest& request) {
  command.add_option("--from", request.from, "How SOURCE is stored (default: recognised)")
      ->type_name("NAME")
      ->group("View");
}

void AddConfig(CLI::App& command, ViewRequest& request) {
  command.add_option("--config", request.config_file, "JSON file of the same options, under the same names")
      ->group("View")
      ->type_name("FILE");
}

}  // namespace

void AddViewOptions(CLI::App& command, ViewRequest& request) {
  AddSource(command, request);
  AddOptionsOfView(command, request);
}

void AddOptionsOfView(CLI::App& command, ViewRequest& request) {
  AddFrom(command, request);
  command
      .add_option("--layout", request.layout,
                  "How it is shown; `shardfs layouts` lists them (default: mindie for DeepSeek)")
      ->type_name("NAME")
      ->group("View");
  AddAssignments(command, request);
  AddConfig(command, request);
  for (const DeclaredOption& option : DeclaredOptions(AllTakers())) AddOption(command, option, request);
}

void AddSourceOptions(CLI::App& command, ViewRequest& request) {
  AddSource(command, request);
  AddFrom(command, request);
  AddAssignments(command, request);
  AddConfig(command, request);
  std::vector<OptionTaker> takers = AllTakers();
  std::erase_if(takers, [](const OptionTaker& taker) { return taker.kind != "reader"; });
  for (const DeclaredOption& option : DeclaredOptions(takers)) AddOption(command, option, request);
}

Result<BuiltView> BuildView(const ViewRequest& request) {
  return BuildView(
      request, [](const std::string& notice) { spdlog::warn("{}", notice); },
      [](const std::string& warning) { PrintWarning(warning); });
}

Result<BuiltView> BuildViewInLanguage(const ViewRequest& request) {
  return BuildView(request, WarnInLanguage, WarnInLanguage);
}

void WarnInLanguage(const std::string& message) {
  PrintNote(Tr("warning: {}", TextOfMessage(message)).In(LanguageOfEnvironment()));
}

}  // namespace shardfs
