#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output.h"

namespace shardfs {
namespace {

constexpr int kRefused = 2;

// Help and version end here with 0; all else that CLI11 has against a command line is a refusal.
int ExitCodeOf(const CLI::App& program, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return program.exit(error);
  std::string message = error.what();
  const std::vector<std::string> unknown = program.remaining();
  if (program.get_subcommands().empty() && !unknown.empty()) message = "there is no subcommand '" + unknown[0] + "'";
  PrintError(message + " (see shardfs --help)");
  return kRefused;
}

int Main(int argc, char** argv) {
  CLI::App program("Any parallel cut of a DeepSeek checkpoint, as files", "shardfs");
  program.set_version_flag("--version", "shardfs " SHARDFS_VERSION);
  program.require_subcommand(1);
  const std::vector<Command> commands{AddMountCommand(program), AddUmountCommand(program),
                                      AddMaterializeCommand(program), AddPlanCommand(program),
                                      AddVerifyCommand(program)};
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitCodeOf(program, error);
  }
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  return kRefused;  // not reached: a subcommand is required
}

}  // namespace
}  // namespace shardfs

int main(int argc, char** argv) {
  try {
    return shardfs::Main(argc, argv);
  } catch (const std::bad_alloc&) {
    shardfs::PrintError("out of memory");
  } catch (const std::exception& error) {
    shardfs::PrintError(error.what());
  }
  return 1;
}
