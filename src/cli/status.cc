// shardfs status: whether a mounted view is well, from what its daemon says of itself.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "service/mounted_view.h"
#include "console/output.h"
#include "service/status_text.h"
#include "service/view_status.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

// Apart from the program's other exit codes (0 healthy, 1 the status could not be had, 2 no mount of shardfs).
constexpr int kDegraded = 5;  // also while a source is silent
constexpr int kSourceChanged = 6;
constexpr int kDead = 7;

constexpr const char* kFooter =
    "Exit codes: 0 healthy; 1 the status could not be read; 2 not a mount of shardfs; 5 degraded: reads have failed "
    "since the mount, or a source file does not answer; 6 source changed; 7 dead: the daemon is gone or does not answer within 5 seconds.\n"
    "Prometheus finds the same in MOUNTPOINT/.shardfs/metrics.";

struct StatusArguments {
  std::string mount_point;
  bool json = false;
};

int ReportDead(const StatusArguments& arguments, const std::string& message) {
  if (arguments.json) {
    std::cout << nlohmann::ordered_json{{"health", "dead"}, {"message", message}}.dump(
                     2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
              << std::endl;
  }
  PrintError(message);
  return kDead;
}

int ExitCodeOfHealth(const JsonValue& status) {
  const JsonValue* health = status.Find("health");
  const std::string_view name = health != nullptr ? health->AsString().value_or("") : "";
  if (name == "healthy") return 0;
  if (name == "degraded" || name == "source_silent") return kDegraded;
  if (name == "source_changed") return kSourceChanged;
  return ExitCodeOf(Status::IoError("the daemon calls its health '" + std::string(name) +
                                    "', which this version of shardfs does not know; ask with the one that serves it"));
}

int RunStatus(const StatusArguments& arguments) {
  const Result<MountEntry> mounted = FindMountedView(arguments.mount_point, "tell the status of");
  if (!mounted.ok()) return ExitCodeOf(mounted.status());
  const std::string& mount_point = mounted->mount_point;
  const ViewStatus answer = AskView(mount_point);
  const std::string sentence = answer.problem + (answer.remedy.empty() ? "" : "; " + answer.remedy);
  switch (answer.answer) {
    case ViewStatus::Answer::kGiven:
      break;
    case ViewStatus::Answer::kUnreadable:
      return ExitCodeOf(Status::IoError(sentence));
    default:
      return ReportDead(arguments, sentence);
  }
  const Result<JsonValue> status = ParseJson(answer.json, mount_point + "/.shardfs/status.json");
  if (!status.ok()) return ExitCodeOf(Status::IoError(std::string(status.status().message())));
  std::cout << (arguments.json ? answer.json : ForTerminal(FormatStatus(mount_point, *status)));
  return FinishOutput("status", ExitCodeOfHealth(*status));
}

}  // namespace

Command AddStatusCommand(CLI::App& program) {
  CLI::App* command = program.add_subcommand("status", "Say whether a mounted view is well, and what it has done");
  auto arguments = std::make_shared<StatusArguments>();
  command->add_option("MOUNTPOINT", arguments->mount_point, "Directory that the view is mounted on")->required();
  command->add_flag("--json", arguments->json, "Print JSON");
  command->footer(kFooter);
  return {command, [arguments] { return RunStatus(*arguments); }};
}

}  // namespace shardfs
