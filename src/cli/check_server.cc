// shardfs check-vllm and check-sglang: say whether a server with a command line loads a directory of sharded_state
// right.
#include "layout/sharded_state/check/check_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/rank_options.h"
#include "console/output.h"
#include "layout/sharded_state/check/flag_table.h"
#include "layout/sharded_state/sharded_options.h"

namespace shardfs {
namespace {

struct CheckServerArguments {
  std::string engine;
  std::string directory;
  std::vector<std::string> words;  // the server's command line
  std::string release;
  std::string names_file;
  RankOptions ranks;
  bool json = false;
};

std::string_view ProductName(std::string_view engine) { return engine == kVllm ? "vLLM" : "SGLang"; }

Result<std::vector<Finding>> Check(const CheckServerArguments& arguments) {
  std::error_code error;
  if (!std::filesystem::is_directory(arguments.directory, error)) {
    return Status::InvalidArgument(
        fmt::format("{} is no directory; give the one that the server is to load", arguments.directory));
  }
  const auto choose = [&arguments](std::uint32_t world_size) {
    View view;  // what the options of ranks look at
    view.world_size = world_size;
    return SelectRanks(arguments.ranks, view);
  };
  return CheckServer({.directory = arguments.directory,
                      .engine = arguments.engine,
                      .release = arguments.release,
                      .names_file = arguments.names_file,
                      .arguments = ServerArguments::Parse(arguments.words),
                      .choose_ranks = choose});
}

// The last line: what all the others come to.
Text LastLine(std::string_view product, const std::vector<Finding>& findings) {
  const auto wrong = std::count_if(findings.begin(), findings.end(),
                                   [](const Finding& finding) { return finding.level == Finding::Level::kWrong; });
  if (wrong == 0) {
    return Tr("Nothing that was checked is wrong: {} should load this directory.", product);
  }
  if (wrong == 1) return Tr("1 thing is wrong: {} will not load this directory, or not as it should.", product);
  return Tr("{} things are wrong: {} will not load this directory, or not as it should.", wrong, product);
}

int RunCheckServer(const CheckServerArguments& arguments) {
  const auto findings = Check(arguments);
  if (!findings.ok()) return ReportRefusal(findings.status());
  return ReportFindings(*findings, arguments.json, LastLine(ProductName(arguments.engine), *findings));
}

Command AddCheckServerCommand(CLI::App& program, std::string_view engine) {
  const std::string product(ProductName(engine));
  CLI::App* app = program.add_subcommand(fmt::format("check-{}", engine),
                                         fmt::format("Say whether {} will load a directory right", product));
  const auto arguments = std::make_shared<CheckServerArguments>();
  arguments->engine = engine;
  app->add_option("DIR", arguments->directory, "Directory or mount of --layout sharded-state")->required();
  app->add_option("ARGS", arguments->words, "The server's own command line, behind --")->required();
  app->add_option("--engine-version,--engine_version", arguments->release,
                  fmt::format("Release of {} (default: the last that is known)", product))
      ->type_name("X.Y");
  app->add_option("--names", arguments->names_file, "Table of names by engine and release (default: the built-in one)")
      ->type_name("FILE");
  AddRankOptions(*app, "Expect only what", arguments->ranks);
  app->add_flag("--json", arguments->json, "Print the result as JSON");
  app->footer([engine] { return FormatFlagTable(engine); });
  return {app, [arguments] { return RunCheckServer(*arguments); }};
}

}  // namespace

Command AddCheckVllmCommand(CLI::App& program) { return AddCheckServerCommand(program, kVllm); }

Command AddCheckSglangCommand(CLI::App& program) { return AddCheckServerCommand(program, kSglang); }

}  // namespace shardfs
