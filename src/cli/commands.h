// The subcommands of the program, one source file each.
//
// A function here adds its subcommand to the program's CLI11 application and returns what to run when the command line
// names it. The options live as long as the returned Command.
#pragma once

#include <CLI/App.hpp>
#include <functional>

namespace shardfs {

struct Command {
  CLI::App* app = nullptr;   // owned by the application it was added to
  std::function<int()> run;  // returns the exit code; has printed why when it is not 0
};

Command AddMountCommand(CLI::App& program);
Command AddUmountCommand(CLI::App& program);
Command AddMaterializeCommand(CLI::App& program);
Command AddPlanCommand(CLI::App& program);
Command AddExplainCommand(CLI::App& program);
Command AddLayoutsCommand(CLI::App& program);
Command AddMergeStrategiesCommand(CLI::App& program);
Command AddVerifyCommand(CLI::App& program);
Command AddStatusCommand(CLI::App& program);
Command AddCheckCommand(CLI::App& program);
Command AddCheckMindieCommand(CLI::App& program);
Command AddCheckSglangCommand(CLI::App& program);
Command AddCheckVllmCommand(CLI::App& program);
Command AddDoctorCommand(CLI::App& program);
Command AddWarmCommand(CLI::App& program);

}  // namespace shardfs
