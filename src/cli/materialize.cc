// shardfs materialize: writes the files of a view to a directory, without FUSE.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/file_mode.h"
#include "base/quote_name.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/rank_options.h"
#include "console/cancel_signals.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/progress_json.h"
#include "pipeline/view_identity.h"
#include "pipeline/view_time.h"
#include "shardfs/base/format_bytes.h"
#include "shardfs/materialize/materializer.h"

namespace shardfs {
namespace {

struct MaterializeArguments {
  ViewRequest view;
  std::string destination;
  RankOptions ranks;
  std::string file_mode = "0640";  // octal, as typed
  std::string directory_mode = "0750";
  MaterializeOptions options;
  bool restart = false;
  bool replace = false;
  bool no_keep = false;
  bool json = false;
  ProgressMode progress = ProgressMode::kAuto;
};

// What came of a run.
struct Materialized {
  std::string source;
  std::string destination;
  MaterializeSummary summary;
};

// A plan is refused before anything has been done: whatever the reason, that is exit code 2, except for a system call
// that fails.
int PreflightExitCode(const Status& status) {
  const int code = ExitCodeOf(status);
  return status.code() == StatusCode::kResourceExhausted ? 2 : code;
}

Result<MaterializeSummary> RunWithProgress(const MaterializePlan& plan, const MaterializeOptions& options,
                                           ProgressMode mode) {
  const CancelSignals signals;
  std::stop_source cancel;
  MaterializeProgress progress;
  const auto snapshot = [&plan, &progress, verify = options.verify] {
    ProgressState state{.bytes_done = progress.bytes_done.load(std::memory_order_relaxed),
                        .bytes_total = plan.total_bytes() * (verify ? 2 : 1),
                        .files_done = progress.files_done.load(std::memory_order_relaxed),
                        .files_total = plan.files().size()};
    state.phase = state.bytes_done < plan.total_bytes() ? "write" : (verify ? "verify" : "write");
    const std::uint32_t current = progress.current_file.load(std::memory_order_relaxed);
    if (current < plan.files().size()) state.current_file = plan.files()[current].path;
    return state;
  };
  const ProgressReporter reporter(mode, snapshot, [&cancel, &signals] {
    if (signals.Received()) cancel.request_stop();
  });
  return Materialize(plan, options, progress, cancel.get_token());
}

std::uint64_t RateOf(const MaterializeSummary& summary) {
  return static_cast<std::uint64_t>(static_cast<double>(summary.bytes - summary.kept_bytes) /
                                    std::max(summary.seconds, 1e-9));
}

nlohmann::ordered_json ToJson(const Materialized& run) {
  return {{"source", run.source},
          {"destination", run.destination},
          {"files", run.summary.files},
          {"directories", run.summary.directories},
          {"bytes", run.summary.bytes},
          {"kept_files", run.summary.kept_files},
          {"kept_bytes", run.summary.kept_bytes},
          {"mended", run.summary.mended},
          {"seconds", run.summary.seconds},
          {"bytes_per_second", RateOf(run.summary)}};
}

// "\nmended: 2 files that were damaged or missing ('a', 'd/b')", or nothing.
std::string DescribeMended(const std::vector<std::string>& mended) {
  constexpr std::size_t kMostNamed = 10;
  if (mended.empty()) return "";
  std::string names;
  for (std::size_t i = 0; i < std::min(mended.size(), kMostNamed); ++i) {
    names += (i == 0 ? "" : ", ") + QuoteName(mended[i]);
  }
  return fmt::format("\nmended: {} file{} that {} damaged or missing ({}{})", mended.size(),
                     mended.size() == 1 ? "" : "s", mended.size() == 1 ? "was" : "were", names,
                     mended.size() > kMostNamed ? ", ..." : "");
}

std::string ToText(const Materialized& run) {
  const MaterializeSummary& summary = run.summary;
  if (summary.files > 0 && summary.kept_files == summary.files && summary.mended.empty()) {
    return fmt::format("{}: {} files, {} ({} bytes), all of which were there: none was written", run.destination,
                       summary.files, FormatBytes(summary.bytes), summary.bytes);
  }
  std::string kept;
  if (summary.kept_files > 0) {
    kept = fmt::format(", of which {} files, {} were there", summary.kept_files, FormatBytes(summary.kept_bytes));
  }
  return fmt::format("{}: {} files, {} ({} bytes){} in {:.1f} s, {}/s{}", run.destination, summary.files,
                     FormatBytes(summary.bytes), summary.bytes, kept, summary.seconds, FormatBytes(RateOf(summary)),
                     DescribeMended(summary.mended));
}

// The exit code.
int PrintSummary(const Materialized& run, const MaterializeArguments& arguments) {
  if (arguments.progress == ProgressMode::kJson) {
    std::cout << FormatProgressEnd("done", 0, {}, ToJson(run)) << "\n";
  } else if (arguments.json) {
    std::cout << ToJson(run).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    std::cout << ToText(run) << "\n";
  }
  return FinishOutput("result", 0);
}

// `plan_refused` says afterwards whether it was the plan that failed.
Result<Materialized> Run(MaterializeArguments& arguments, bool& plan_refused) {
  SHARDFS_ASSIGN_OR_RETURN(arguments.options.file_mode, ParseMode(arguments.file_mode, "--file-mode"));
  SHARDFS_ASSIGN_OR_RETURN(arguments.options.directory_mode, ParseMode(arguments.directory_mode, "--dir-mode"));
  arguments.options.keep = !arguments.no_keep;

  arguments.view.place.path = arguments.destination;
  SHARDFS_ASSIGN_OR_RETURN(const BuiltView built, BuildView(arguments.view));
  SHARDFS_ASSIGN_OR_RETURN(const auto ranks, SelectRanks(arguments.ranks, built.view));
  MaterializePlanOptions plan_options;
  plan_options.restart = arguments.restart;
  plan_options.replace = arguments.replace;
  SHARDFS_ASSIGN_OR_RETURN(plan_options.identity, IdentityOf(built));
  SHARDFS_ASSIGN_OR_RETURN(arguments.options.time_ns, TimeOf(built, plan_options.identity));
  auto plan =
      MaterializePlan::Create(built.view.tree, ranks, built.checkpoint->path(), arguments.destination, plan_options);
  plan_refused = !plan.ok();
  if (!plan.ok()) return plan.status();
  SHARDFS_ASSIGN_OR_RETURN(const MaterializeSummary summary,
                           RunWithProgress(*plan, arguments.options, arguments.progress));
  return Materialized{built.checkpoint->path(), plan->destination(), summary};
}

int RunMaterialize(MaterializeArguments& arguments) {
  bool plan_refused = false;
  const auto run = Run(arguments, plan_refused);
  if (run.ok()) return PrintSummary(*run, arguments);
  const int code = plan_refused ? PreflightExitCode(run.status()) : ExitCodeOf(run.status());
  if (arguments.progress == ProgressMode::kJson) PrintProgressError(run.status(), code);
  return code;
}

}  // namespace

Command AddMaterializeCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("materialize", "Write the files of a view to a directory");
  const auto arguments = std::make_shared<MaterializeArguments>();
  AddViewOptions(*app, arguments->view);
  app->add_option("DEST", arguments->destination, "Directory to make, an empty one, or one to go on with")->required();
  AddRankOptions(*app, "Write only what", arguments->ranks);
  app->add_option("--uid", arguments->options.uid, "Owner (default: the user who runs this)")->type_name("USER");
  app->add_option("--gid", arguments->options.gid, "Group (default: that of the user)")->type_name("GROUP");
  app->add_option("--file-mode", arguments->file_mode, "Mode of files (default: 0640)")->type_name("MODE");
  app->add_option("--dir-mode", arguments->directory_mode, "Mode of directories (default: 0750)")->type_name("MODE");
  app->add_option("--threads", arguments->options.threads, "Files written at a time (default: one per CPU)")
      ->check(CLI::Range(1u, 1024u))
      ->type_name("N");
  app->add_option("--io-depth", arguments->options.io_depth,
                  "Pieces of 4 MiB that are read ahead of the writers at a time; 0: none (default: 8)")
      ->check(CLI::Range(0u, 256u))
      ->type_name("N");
  app->add_flag("--drop-source-cache", arguments->options.drop_source_cache,
                "Drop the source from the page cache as soon as it is written");
  app->add_flag("--verify", arguments->options.verify, "Read every file again at the end and compare its digest");
  app->add_flag("--restart", arguments->restart, "Throw away what an unfinished run left in DEST and begin again");
  app->add_flag(
      "--replace", arguments->replace,
      "Throw away what materialize wrote to DEST for other options or another source, complete or not; of what "
      "it wrote for the same, compare all files with their digests and write the damaged ones again");
  app->add_flag("--no-keep", arguments->no_keep,
                "Remove everything that was written when the run fails (default: keep complete files, to go on)");
  app->add_flag("--json", arguments->json, "Print the result as JSON");
  AddProgressOption(*app, arguments->progress);
  return {app, [arguments] { return RunMaterialize(*arguments); }};
}

}  // namespace shardfs
