// shardfs warm: brings the files that a node's ranks load into the page cache, through the mount.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/quote_name.h"
#include "cli/commands.h"
#include "cli/rank_options.h"
#include "console/cancel_signals.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/progress_json.h"
#include "pipeline/build_view.h"
#include "service/mounted_request.h"
#include "service/mounted_view.h"
#include "service/warm_view.h"
#include "shardfs/base/format_bytes.h"

namespace shardfs {
namespace {

using Json = nlohmann::ordered_json;

struct WarmArguments {
  std::string mount_point;
  RankOptions ranks;
  unsigned threads = 0;
  bool json = false;
  ProgressMode progress = ProgressMode::kAuto;
};

std::vector<PlannedFile> FilesOf(const VirtualTree& tree, const std::optional<RankSet>& ranks) {
  std::vector<PlannedFile> files;
  for (NodeId id = 0; id < tree.size(); ++id) {
    const VirtualNode& node = tree.node(id);
    if (node.is_directory() || (ranks && !node.ranks.Intersects(*ranks))) continue;
    files.push_back({tree.PathOf(id), node.file.get()});
  }
  return files;
}

Result<WarmReport> RunWithProgress(const std::string& mount_point, const std::vector<PlannedFile>& files,
                                   const WarmArguments& arguments) {
  const CancelSignals signals;
  std::stop_source cancel;
  WarmProgress progress;
  std::uint64_t total = 0;
  for (const PlannedFile& file : files) total += file.file->size();
  const auto snapshot = [&] {
    ProgressState state{.bytes_done = progress.bytes_done.load(std::memory_order_relaxed),
                        .bytes_total = total,
                        .files_done = progress.files_done.load(std::memory_order_relaxed),
                        .files_total = files.size()};
    state.phase = "warm";
    const std::uint32_t current = progress.current_file.load(std::memory_order_relaxed);
    if (current < files.size()) state.current_file = files[current].path;
    return state;
  };
  const ProgressReporter reporter(arguments.progress, snapshot, [&cancel, &signals] {
    if (signals.Received()) cancel.request_stop();
  });
  return WarmView(mount_point, files, arguments.threads, progress, cancel.get_token());
}

struct Warmed {
  std::string mount_point;
  WarmReport report;
};

Result<Warmed> Run(const WarmArguments& arguments) {
  SHARDFS_ASSIGN_OR_RETURN(const MountEntry mount, FindMountedView(arguments.mount_point, "warm"));
  SHARDFS_ASSIGN_OR_RETURN(const MountedRequest mounted, FindMountedRequest(mount.mount_point));
  const auto ignore = [](const std::string&) {};
  SHARDFS_ASSIGN_OR_RETURN(const BuiltView built, BuildView(mounted.request, ignore, ignore));
  SHARDFS_ASSIGN_OR_RETURN(const auto ranks, SelectRanks(arguments.ranks, built.view));
  const std::vector<PlannedFile> files = FilesOf(*built.view.tree, ranks);
  SHARDFS_ASSIGN_OR_RETURN(WarmReport report, RunWithProgress(mount.mount_point, files, arguments));
  return Warmed{mount.mount_point, std::move(report)};
}

Json ToJson(const std::optional<std::uint64_t>& bytes) { return bytes ? Json(*bytes) : Json(); }

Json ToJson(const Warmed& warmed) {
  const WarmReport& report = warmed.report;
  return {{"mountpoint", warmed.mount_point},
          {"files", report.files},
          {"bytes", report.bytes},
          {"cached_before", ToJson(report.cached_before)},
          {"read_bytes", report.read},
          {"left_out_bytes", report.left_out},
          {"cached_after", ToJson(report.cached_after)},
          {"complete", report.complete()},
          {"available_memory", report.memory},
          {"seconds", report.seconds}};
}

std::string ToText(const Warmed& warmed) {
  const WarmReport& report = warmed.report;
  std::string text = fmt::format("{}: {} files, {} ({} bytes)", warmed.mount_point, report.files,
                                 FormatBytes(report.bytes), report.bytes);
  if (report.cached_before) text += fmt::format(", of which {} were in memory", FormatBytes(*report.cached_before));
  text += fmt::format(
      "; read {} in {:.1f} s, {}/s", FormatBytes(report.read), report.seconds,
      FormatBytes(static_cast<std::uint64_t>(static_cast<double>(report.read) / std::max(report.seconds, 1e-9))));
  if (!report.cached_after) return text + "; how much is in memory, the kernel tells root and the owner of the files";
  return text + fmt::format("; {} are in memory now", FormatBytes(*report.cached_after));
}

// Says why not all of it is in memory.
std::string MemoryWarning(const Warmed& warmed) {
  const WarmReport& report = warmed.report;
  if (report.left_out > 0) {
    return fmt::format(
        "memory is not enough: {} were not read, because {} leaves {}; give --ranks or --node-rank, or free memory",
        FormatBytes(report.left_out), report.memory_limit, FormatBytes(report.memory));
  }
  return fmt::format(
      "memory is not enough: {} of {} have been dropped from it again; give --ranks or --node-rank, or "
      "free memory",
      FormatBytes(report.bytes - report.cached_after.value_or(0)), FormatBytes(report.bytes));
}

int RunWarm(const WarmArguments& arguments) {
  const Result<Warmed> warmed = Run(arguments);
  if (!warmed.ok()) {
    const int code = ExitCodeOf(warmed.status());
    if (arguments.progress == ProgressMode::kJson) PrintProgressError(warmed.status(), code);
    return code;
  }
  if (!warmed->report.complete()) PrintWarning(MemoryWarning(*warmed));
  if (arguments.progress == ProgressMode::kJson) {
    std::cout << FormatProgressEnd("done", 0, {}, ToJson(*warmed)) << "\n";
  } else if (arguments.json) {
    std::cout << ToJson(*warmed).dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  } else {
    std::cout << ForTerminal(ToText(*warmed)) << "\n";
  }
  return FinishOutput("result", 0);
}

}  // namespace

Command AddWarmCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("warm", "Bring the files of a mounted view into memory");
  const auto arguments = std::make_shared<WarmArguments>();
  app->add_option("MOUNTPOINT", arguments->mount_point, "Directory that the view is mounted on")->required();
  AddRankOptions(*app, "Read only what", arguments->ranks);
  app->add_option("--threads", arguments->threads, "Blocks of 4 MiB read at a time (default: one per CPU)")
      ->check(CLI::Range(1u, 1024u))
      ->type_name("N");
  app->add_flag("--json", arguments->json, "Print the result as JSON");
  AddProgressOption(*app, arguments->progress);
  return {app, [arguments] { return RunWarm(*arguments); }};
}

}  // namespace shardfs
