// shardfs status: whether a mounted view is well, from what its daemon says of itself; without a mount point, whether
// all views of this machine are.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "service/mounted_view.h"
#include "console/output.h"
#include "service/status_text.h"
#include "service/view_list.h"
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
    "in the last 10 minutes, or a source file does not answer; 6 source changed; 7 dead: the daemon is gone or does "
    "not answer within 5 seconds. Of several views, the greatest.\n"
    "Prometheus finds the same in MOUNTPOINT/.shardfs/metrics.";

struct StatusArguments {
  std::string mount_point;
  bool json = false;
  bool watch = false;
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

// Nothing where this version does not know the health.
std::optional<int> CodeOf(std::string_view health) {
  if (health == "healthy") return 0;
  if (health == "degraded" || health == "source_silent") return kDegraded;
  if (health == "source_changed") return kSourceChanged;
  if (health == "dead" || health == "silent") return kDead;
  return std::nullopt;
}

int ExitCodeOfHealth(const JsonValue& status) {
  const JsonValue* health = status.Find("health");
  const std::string_view name = health != nullptr ? health->AsString().value_or("") : "";
  if (const std::optional<int> code = CodeOf(name)) return *code;
  return ExitCodeOf(Status::IoError("the daemon calls its health '" + std::string(name) +
                                    "', which this version of shardfs does not know; ask with the one that serves it"));
}

std::string ListToJson(const std::vector<ListedView>& views) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ListedView& view : views) {
    nlohmann::ordered_json one = {{"mountpoint", view.mount_point}, {"health", view.health}};
    if (!view.layout.empty()) one["layout"] = view.layout;
    if (!view.source.empty()) one["source"] = view.source;
    if (!view.status.problem.empty()) one["message"] = view.status.problem.english();
    list.push_back(std::move(one));
  }
  return list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

int ReportAll(const StatusArguments& arguments) {
  const Result<std::vector<ListedView>> views = ListViews();
  if (!views.ok()) return ExitCodeOf(views.status());
  std::cout << (arguments.json ? ListToJson(*views) : ForTerminal(FormatViewList(*views)));
  int code = 0;
  for (const ListedView& view : *views) code = std::max(code, CodeOf(view.health).value_or(1));
  return FinishOutput("status", code);
}

int ReportOne(const StatusArguments& arguments) {
  const Result<MountEntry> mounted = FindMountedView(arguments.mount_point, "tell the status of");
  if (!mounted.ok()) return ExitCodeOf(mounted.status());
  const std::string& mount_point = mounted->mount_point;
  const ViewStatus answer = AskView(mount_point);
  const std::string sentence = answer.problem.english() + (answer.remedy.empty() ? "" : "; " + answer.remedy.english());
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

// Prints again every two seconds, until a signal ends the program or nothing reads the output any more.
int RunStatus(const StatusArguments& arguments) {
  for (;;) {
    if (arguments.watch && ::isatty(STDOUT_FILENO) == 1) std::cout << "\033[H\033[2J";
    const int code = arguments.mount_point.empty() ? ReportAll(arguments) : ReportOne(arguments);
    if (!arguments.watch || !std::cout.good()) return code;
    std::this_thread::sleep_for(std::chrono::seconds(2));
  }
}

}  // namespace

Command AddStatusCommand(CLI::App& program) {
  CLI::App* command = program.add_subcommand("status", "Say whether a mounted view is well, and what it has done");
  auto arguments = std::make_shared<StatusArguments>();
  command->add_option("MOUNTPOINT", arguments->mount_point, "Directory that the view is mounted on (default: all views, a line each)");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->add_flag("--watch", arguments->watch, "Print it again every two seconds");
  command->footer(kFooter);
  return {command, [arguments] { return RunStatus(*arguments); }};
}

}  // namespace shardfs
