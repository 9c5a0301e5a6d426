// shardfs materialize: writes the files of a view to a directory, without FUSE.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/file_mode.h"
#include "cli/node_ranks.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "shardfs/materialize/format_bytes.h"
#include "shardfs/materialize/materializer.h"

namespace shardfs {
namespace {

struct MaterializeArguments {
  CommonOptions common;
  std::string destination;
  std::string ranks;  // as typed; empty when not given
  std::optional<std::uint32_t> node_rank;
  std::optional<std::uint32_t> nodes;
  std::string file_mode = "0640";  // octal, as typed
  std::string directory_mode = "0750";
  MaterializeOptions options;
  bool json = false;
};

// Written by a signal handler: the one thing that has no other way to reach the run.
std::atomic<bool> signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free);

// While it lives, the signals that end a program only set `signalled`, so that a run can remove what it wrote; and
// nobody reading the output any more does not end the program.
class SignalsToFlag {
 public:
  SignalsToFlag() {
    struct sigaction action {};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    action.sa_handler = [](int) { signalled.store(true); };
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      if (kSignals[i] == SIGPIPE) action.sa_handler = SIG_IGN;
      ::sigaction(kSignals[i], &action, &before_[i]);
    }
  }
  SignalsToFlag(const SignalsToFlag&) = delete;
  SignalsToFlag& operator=(const SignalsToFlag&) = delete;
  ~SignalsToFlag() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  }

 private:
  static constexpr std::array<int, 4> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
  std::array<struct sigaction, kSignals.size()> before_{};
};

// The ranks asked for; nothing for all.
Result<std::optional<RankSet>> SelectRanks(const MaterializeArguments& arguments, const LayoutResult& layout) {
  if (!arguments.ranks.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(RankSet ranks, RankSet::Parse(arguments.ranks, layout.world_size));
    return std::optional(std::move(ranks));
  }
  if (!arguments.node_rank) return std::optional<RankSet>();
  if (!arguments.nodes && layout.nodes <= 1) {
    return Status::InvalidArgument("--node-rank needs the number of nodes; add --nnodes");
  }
  const std::uint32_t nodes = arguments.nodes.value_or(layout.nodes);
  SHARDFS_ASSIGN_OR_RETURN(RankSet ranks, RanksOfNode(layout.world_size, nodes, *arguments.node_rank));
  return std::optional(std::move(ranks));
}

// A plan is refused before anything has been done: whatever the reason, that is exit code 2, except for a system call
// that fails.
int PreflightExitCode(const Status& status) {
  const int code = ExitCodeOf(status);
  return status.code() == StatusCode::kResourceExhausted ? 2 : code;
}

Result<MaterializeSummary> RunWithProgress(const MaterializePlan& plan, const MaterializeOptions& options) {
  const SignalsToFlag signals;
  std::stop_source cancel;
  MaterializeProgress progress;
  const ProgressReporter reporter(plan, progress, [&cancel] {
    if (signalled.load()) cancel.request_stop();
  });
  return Materialize(plan, options, progress, cancel.get_token());
}

void PrintSummary(const MaterializePlan& plan, const MaterializeSummary& summary, const View& view, bool as_json) {
  const double rate = static_cast<double>(summary.bytes) / std::max(summary.seconds, 1e-9);
  if (as_json) {
    const nlohmann::ordered_json json = {{"source", view.checkpoint->path()},
                                         {"destination", plan.destination()},
                                         {"files", summary.files},
                                         {"directories", summary.directories},
                                         {"bytes", summary.bytes},
                                         {"seconds", summary.seconds},
                                         {"bytes_per_second", static_cast<std::uint64_t>(rate)}};
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << std::endl;
    return;
  }
  std::cout << fmt::format("{}: {} files, {} ({} bytes) in {:.1f} s, {}/s\n", plan.destination(), summary.files,
                           FormatBytes(summary.bytes), summary.bytes, summary.seconds,
                           FormatBytes(static_cast<std::uint64_t>(rate)))
            << std::flush;
}

int RunMaterialize(MaterializeArguments& arguments) {
  const auto file_mode = ParseMode(arguments.file_mode, "--file-mode");
  if (!file_mode.ok()) return ExitCodeOf(file_mode.status());
  const auto directory_mode = ParseMode(arguments.directory_mode, "--dir-mode");
  if (!directory_mode.ok()) return ExitCodeOf(directory_mode.status());
  arguments.options.file_mode = *file_mode;
  arguments.options.directory_mode = *directory_mode;

  const auto view = BuildView(arguments.common);
  if (!view.ok()) return ExitCodeOf(view.status());
  const auto ranks = SelectRanks(arguments, view->layout);
  if (!ranks.ok()) return ExitCodeOf(ranks.status());
  const auto plan = MaterializePlan::Create(view->layout.tree, *ranks, view->checkpoint->path(), arguments.destination);
  if (!plan.ok()) return PreflightExitCode(plan.status());
  const auto summary = RunWithProgress(*plan, arguments.options);
  if (!summary.ok()) return ExitCodeOf(summary.status());
  PrintSummary(*plan, *summary, *view, arguments.json);
  return 0;
}

}  // namespace

Command AddMaterializeCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("materialize", "Write the files of a view to a directory");
  const auto arguments = std::make_shared<MaterializeArguments>();
  AddCommonOptions(*app, arguments->common);
  app->add_option("DEST", arguments->destination, "Directory to make, or an empty one")->required();
  auto* ranks = app->add_option("--ranks", arguments->ranks, "Write only what these ranks load, as in 0-7,9");
  auto* node_rank = app->add_option("--node-rank", arguments->node_rank, "Write only what this node's ranks load");
  auto* nodes = app->add_option("--nnodes", arguments->nodes, "Number of nodes (default: the rank table's)");
  ranks->excludes(node_rank)->type_name("RANKS");
  node_rank->type_name("N");
  nodes->needs(node_rank)->type_name("M");
  app->add_option("--uid", arguments->options.uid, "Owner (default: the user who runs this)")->type_name("UID");
  app->add_option("--gid", arguments->options.gid, "Group (default: that of the user)")->type_name("GID");
  app->add_option("--file-mode", arguments->file_mode, "Mode of files (default: 0640)")->type_name("MODE");
  app->add_option("--dir-mode", arguments->directory_mode, "Mode of directories (default: 0750)")->type_name("MODE");
  app->add_option("--threads", arguments->options.threads, "Files written at a time (default: one per CPU)")
      ->check(CLI::Range(1u, 1024u))
      ->type_name("N");
  app->add_flag("--json", arguments->json, "Print the result as JSON");
  return {app, [arguments] { return RunMaterialize(*arguments); }};
}

}  // namespace shardfs
