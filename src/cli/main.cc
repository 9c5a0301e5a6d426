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
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/help_text.h"
#include "cli/mount_helper.h"
#include "console/finding.h"
#include "console/output.h"

namespace shardfs {
namespace {

constexpr int kRefused = 2;

// "--dp: 1 required N missing" and "--dp: At Most 1 required but received 2", in other words.
Status WrongCount(const std::string& message) {
  const std::string name = message.substr(0, message.find(':'));
  if (message.ends_with(" missing")) return Status::InvalidArgument(name + " needs a value right behind it");
  if (message.find("At Most 1 ") == std::string::npos) return Status::InvalidArgument(message);
  return Status::InvalidArgument(name + " is given more than once; give it once, with the value that you mean");
}

// The help of a subcommand, or the version, as CLI11 writes it; help with an example, as wide as the terminal.
int PrintHelp(const CLI::App& program, const CLI::ParseError& error, const std::string& command) {
  std::ostringstream text;
  const int exit_code = program.exit(error, text, std::cerr);
  const std::string_view example = ExampleOf(command);
  if (error.get_name() == "CallForHelp" && !example.empty()) text << "Example: " << example << "\n";
  std::cout << WrapHelp(text.str(), HelpWidth());
  return FinishOutput("help", exit_code);
}

// A refusal of the command line, in the language that the command speaks: doctor and the checks have several.
int Refuse(std::string_view command, const Status& status) {
  const bool speaks = command == "doctor" || command.starts_with("check-");
  return speaks ? ReportRefusal(status) : shardfs::ExitCodeOf(status);
}

// Help and version end here with 0; all else that CLI11 has against a command line is a refusal.
int ExitCodeOf(const CLI::App& program, const CLI::ParseError& error) {
  const std::vector<CLI::App*> commands = program.get_subcommands();
  const std::string name = commands.empty() ? "" : commands[0]->get_name();
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return PrintHelp(program, error, name);
  const std::vector<std::string> unknown = program.remaining(true);
  if (commands.empty() && !unknown.empty()) return shardfs::ExitCodeOf(UnknownWord(program, unknown[0]));
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError) && !commands.empty() && !unknown.empty()) {
    const CLI::App& command = *commands[0];
    if (unknown[0].size() > 1 && unknown[0][0] == '-') {
      return Refuse(name, UnknownOption(program, command, unknown[0]));
    }
    return Refuse(name, Status::InvalidArgument(fmt::format("shardfs {} takes no further argument, and is given '{}'; "
                                                            "an option's value stands right behind it",
                                                            name, unknown[0])));
  }
  const std::string message = error.what();
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ArgumentMismatch)) {
    return Refuse(name, WrongCount(message));
  }
  return Refuse(
      name, Status::InvalidArgument(fmt::format("{} (see shardfs {}--help)", message, name.empty() ? "" : name + " ")));
}

int RunParsed(const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  return kRefused;  // not reached: a subcommand is required
}

// The program under the name of mount.shardfs, or called with such words.
int RunAsMountHelper(CLI::App& program, const std::vector<Command>& commands, const std::vector<std::string>& words) {
  const Result<MountHelperCall> call = ParseMountHelperCall(words, *program.get_subcommand("mount"));
  if (!call.ok()) return MountHelperExitCode(ExitCodeOf(call.status()));
  if (call->help) {
    std::cout << "Usage: mount.shardfs SOURCE MOUNTPOINT [-sfnv] [-o OPTION[,OPTION...]]\n\nSee mount.shardfs(8).\n";
    return MountHelperExitCode(FinishOutput("help", 0));
  }
  if (const Status checked = CheckWords(program, call->arguments); !checked.ok()) {
    return MountHelperExitCode(ExitCodeOf(checked));
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
  CLI::App program("Any cut of a large model's checkpoint, as files", "shardfs");
  program.set_version_flag("--version", "shardfs " SHARDFS_VERSION);
  program.require_subcommand(1);
  const std::vector<Command> commands{
      AddMountCommand(program),     AddUmountCommand(program),      AddMaterializeCommand(program),
      AddPlanCommand(program),      AddVerifyCommand(program),      AddStatusCommand(program),
      AddExplainCommand(program),   AddLayoutsCommand(program),     AddMergeStrategiesCommand(program),
      AddCheckCommand(program),     AddCheckMindieCommand(program), AddCheckSglangCommand(program),
      AddCheckVllmCommand(program), AddDoctorCommand(program),      AddWarmCommand(program)};
  AddValueRules(program);
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if ((argc > 0 && IsMountHelper(argv[0])) || IsHelperCall(words, program)) {
    return RunAsMountHelper(program, commands, words);
  }
  if (const Status checked = CheckWords(program, words); !checked.ok()) {
    return Refuse(words.empty() ? "" : words[0], checked);
  }
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
