#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/mount_helper.h"
#include "cli/output.h"

namespace shardfs {
namespace {

constexpr int kRefused = 2;

// Help and version end here with 0; all else that CLI11 has against a command line is a refusal.
int ExitCodeOf(const CLI::App& program, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    return FinishOutput("help", program.exit(error));
  }
  std::string message = error.what();
  const std::vector<std::string> unknown = program.remaining();
  if (program.get_subcommands().empty() && !unknown.empty()) message = "there is no subcommand '" + unknown[0] + "'";
  PrintError(message + " (see shardfs --help)");
  return kRefused;
}

int RunParsed(const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  return kRefused;  // not reached: a subcommand is required
}

// The program under the name of mount.shardfs.
int RunAsMountHelper(CLI::App& program, const std::vector<Command>& commands, int argc, char** argv) {
  const Result<MountHelperCall> call =
      ParseMountHelperCall(std::vector<std::string>(argv + 1, argv + argc), *program.get_subcommand("mount"));
  if (!call.ok()) return MountHelperExitCode(ExitCodeOf(call.status()));
  if (call->help) {
    std::cout << "Usage: mount.shardfs SOURCE MOUNTPOINT [-sfnv] [-o OPTION[,OPTION...]]\n\nSee mount.shardfs(8).\n";
    return MountHelperExitCode(FinishOutput("help", 0));
  }
  if (const Status words = CheckWords(program, call->arguments); !words.ok()) {
    return MountHelperExitCode(ExitCodeOf(words));
  }
  if (call->verbose) std::cout << fmt::format("shardfs {}\n", fmt::join(call->arguments, " ")) << std::flush;
  try {
    program.parse(std::vector<std::string>(call->arguments.rbegin(), call->arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return MountHelperExitCode(ExitCodeOf(program, error));
  }
  if (call->only_check) return 0;
  const pid_t caller = ::getpid();
  const int exit_code = RunParsed(commands);
  // The daemon comes back here too, and its caller has yet to understand its exit code.
  return ::getpid() == caller ? MountHelperExitCode(exit_code) : exit_code;
}

int Main(int argc, char** argv) {
  CLI::App program("Any parallel cut of a DeepSeek checkpoint, as files", "shardfs");
  program.set_version_flag("--version", "shardfs " SHARDFS_VERSION);
  program.require_subcommand(1);
  const std::vector<Command> commands{
      AddMountCommand(program),  AddUmountCommand(program), AddMaterializeCommand(program), AddPlanCommand(program),
      AddVerifyCommand(program), AddStatusCommand(program), AddCheckMindieCommand(program), AddDoctorCommand(program)};
  AddValueRules(program);
  if (argc > 0 && IsMountHelper(argv[0])) return RunAsMountHelper(program, commands, argc, argv);
  const Status words = CheckWords(program, std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  if (!words.ok()) return ExitCodeOf(words);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitCodeOf(program, error);
  }
  return RunParsed(commands);
}

}  // namespace
}  // namespace shardfs

int main(int argc, char** argv) {
  shardfs::KeepStandardStreamsOpen();
  // A log or a file that reaches the limit on its size (ulimit -f) is an error of that write, not the end of a mount.
  ::signal(SIGXFSZ, SIG_IGN);
  try {
    return shardfs::Main(argc, argv);
  } catch (const std::bad_alloc&) {
    shardfs::PrintError("out of memory");
  } catch (const std::system_error& error) {
    const bool of_a_thread = error.code() == std::errc::resource_unavailable_try_again;
    const std::string reason = error.code().message();
    shardfs::PrintError(of_a_thread ? "cannot start a thread: " + reason + "; raise the limit on processes (ulimit -u)"
                                    : error.what());
  } catch (const std::exception& error) {
    shardfs::PrintError(error.what());
  }
  return 1;
}
