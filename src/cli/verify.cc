// shardfs verify: compares a directory with what a view would show, or with the manifest in it.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <vector>

#include "base/quote_name.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/rank_options.h"
#include "console/cancel_signals.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/progress_json.h"
#include "pipeline/directory_kind.h"
#include "shardfs/base/format_bytes.h"
#include "shardfs/materialize/manifest_verifier.h"
#include "shardfs/verify/verifier.h"

namespace shardfs {
namespace {

constexpr int kDifferent = 4;  // the exit code

struct VerifyArguments {
  ViewRequest view;
  std::string directory;
  RankOptions ranks;
  VerifyOptions options;
  bool json = false;
  ProgressMode progress = ProgressMode::kAuto;
};

// Runs a comparison of `files` (each with a path), and shows how far it is.
template <typename File>
Result<VerifyReport> RunWithProgress(const std::vector<File>& files, std::uint64_t total_bytes, ProgressMode mode,
                                     const std::function<Result<VerifyReport>(VerifyProgress&, std::stop_token)>& run) {
  const CancelSignals signals;
  std::stop_source cancel;
  VerifyProgress progress;
  const auto snapshot = [&files, total_bytes, &progress] {
    ProgressState state{.bytes_done = progress.bytes_done.load(std::memory_order_relaxed),
                        .bytes_total = total_bytes,
                        .files_done = progress.files_done.load(std::memory_order_relaxed),
                        .files_total = files.size()};
    state.phase = "compare";
    const std::uint32_t current = progress.current_file.load(std::memory_order_relaxed);
    if (current < files.size()) state.current_file = files[current].path;
    return state;
  };
  const ProgressReporter reporter(mode, snapshot, [&cancel, &signals] {
    if (signals.Received()) cancel.request_stop();
  });
  return run(progress, cancel.get_token());
}

nlohmann::ordered_json ToJson(const Difference& difference) {
  nlohmann::ordered_json json = {{"path", difference.path}, {"kind", DifferenceKindName(difference.kind)}};
  json["tensor"] = difference.tensor.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(difference.tensor);
  json["index"] = difference.index ? nlohmann::ordered_json(*difference.index) : nlohmann::ordered_json();
  json["expected"] = difference.expected;
  json["actual"] = difference.actual;
  json["message"] = difference.message;
  return json;
}

// The directory is the only positional argument when it is compared with its own manifest.
const std::string& DirectoryOf(const VerifyArguments& arguments) {
  return arguments.directory.empty() ? arguments.view.source : arguments.directory;
}

const char* QuickVerdict(const VerifyArguments& arguments) {
  return arguments.directory.empty() ? "equal in names and sizes" : "equal in names, sizes and headers";
}

nlohmann::ordered_json ToJson(const VerifyArguments& arguments, const VerifyReport& report) {
  const bool has_source = !arguments.directory.empty();
  nlohmann::ordered_json json = {
      {"source", has_source ? nlohmann::ordered_json(arguments.view.source) : nlohmann::ordered_json()},
      {"directory", DirectoryOf(arguments)},
      {"equal", report.equal()},
      {"quick", arguments.options.quick},
      {"files_compared", report.files_compared},
      {"bytes_compared", report.bytes_compared},
      {"seconds", report.seconds}};
  json["differences"] = nlohmann::ordered_json::array();
  for (const Difference& difference : report.differences) json["differences"].push_back(ToJson(difference));
  return json;
}

void PrintText(const VerifyArguments& arguments, const VerifyReport& report) {
  for (const Difference& difference : report.differences) {
    std::cout << fmt::format("{}: {}\n", QuoteName(difference.path), OneLine(difference.message));
  }
  const std::string verdict = report.equal() ? (arguments.options.quick ? QuickVerdict(arguments) : "equal")
                                             : fmt::format("{} difference{}", report.differences.size(),
                                                           report.differences.size() == 1 ? "" : "s");
  const double rate = static_cast<double>(report.bytes_compared) / std::max(report.seconds, 1e-9);
  std::cout << fmt::format("{}: {} ({} files, {} compared in {:.1f} s, {}/s)\n", DirectoryOf(arguments), verdict,
                           report.files_compared, FormatBytes(report.bytes_compared), report.seconds,
                           FormatBytes(static_cast<std::uint64_t>(rate)));
}

Result<VerifyReport> CompareWithManifest(const VerifyArguments& arguments) {
  SHARDFS_ASSIGN_OR_RETURN(const ManifestVerifier verifier, ManifestVerifier::Create(arguments.view.source));
  return RunWithProgress(verifier.manifest().files, verifier.total_bytes(), arguments.progress,
                         [&](VerifyProgress& progress, const std::stop_token& cancel) {
                           return verifier.Run(arguments.options.quick, arguments.options.threads, progress, cancel);
                         });
}

// The exit code; the report on standard output.
int PrintReport(const VerifyArguments& arguments, const VerifyReport& report) {
  const int exit_code = report.equal() ? 0 : kDifferent;
  if (arguments.progress == ProgressMode::kJson) {
    std::cout << FormatProgressEnd(report.equal() ? "done" : "different", exit_code, {}, ToJson(arguments, report))
              << "\n";
  } else if (arguments.json) {
    // Names come from the directory: what is not UTF-8 in them is replaced, because JSON cannot hold it.
    std::cout << ToJson(arguments, report).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
              << "\n";
  } else {
    PrintText(arguments, report);
  }
  return FinishOutput("result", exit_code);
}

// Options that say what a view would be, and mean nothing without a source.
Status CheckNoViewOptions(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    const bool allowed =
        name == "SOURCE" || name == "--quick" || name == "--threads" || name == "--json" || name == "--progress";
    if (allowed || option->count() == 0) continue;
    return Status::InvalidArgument(
        name + " says what to compare with, which needs the source: give SOURCE and DIR, or DIR alone without it");
  }
  return Status::Ok();
}

// Whether the view itself looks like a full checkpoint.
bool HasWeightsAtTheTop(const VirtualTree& tree) {
  const auto& nodes = tree.nodes();
  return std::any_of(nodes.begin(), nodes.end(), [](const VirtualNode& node) {
    return !node.is_directory() && node.parent == kRootNode && node.name.ends_with(".safetensors");
  });
}

Result<VerifyReport> CompareWithSource(VerifyArguments& arguments) {
  arguments.view.place.path = arguments.directory;
  SHARDFS_ASSIGN_OR_RETURN(const BuiltView built, BuildView(arguments.view));
  if (!HasWeightsAtTheTop(*built.view.tree)) SHARDFS_RETURN_IF_ERROR(CheckNoFullCheckpoint(arguments.directory));
  SHARDFS_ASSIGN_OR_RETURN(arguments.options.ranks, SelectRanks(arguments.ranks, built.view));
  // weight_sharder lists folders in the order of its file system.
  arguments.options.order_insensitive_json = {"model_sharded_metadata.json"};
  // Only shardfs marks the variant that is meant for the loader; a directory is that variant by its bytes.
  arguments.options.optional_json_keys = {"shardfs_fidelity"};
  // What lay in the root when weight_sharder looked, on each node: no two runs need agree in it.
  arguments.options.free_json_members = {"model_sharded/."};
  const auto verifier = Verifier::Create(built.view.tree, arguments.directory, arguments.options);
  if (!verifier.ok()) return verifier.status();
  return RunWithProgress(
      verifier->files(), verifier->total_bytes(), arguments.progress,
      [&verifier](VerifyProgress& progress, const std::stop_token& cancel) { return verifier->Run(progress, cancel); });
}

Result<VerifyReport> Run(const CLI::App& app, VerifyArguments& arguments) {
  if (!arguments.directory.empty()) return CompareWithSource(arguments);
  SHARDFS_RETURN_IF_ERROR(CheckNoFullCheckpoint(DirectoryOf(arguments)));
  SHARDFS_RETURN_IF_ERROR(CheckNoViewOptions(app));
  return CompareWithManifest(arguments);
}

int RunVerify(const CLI::App& app, VerifyArguments& arguments) {
  const auto report = Run(app, arguments);
  if (report.ok()) return PrintReport(arguments, *report);
  const int code = ExitCodeOf(report.status());
  if (arguments.progress == ProgressMode::kJson) PrintProgressError(report.status(), code);
  return code;
}

}  // namespace

Command AddVerifyCommand(CLI::App& program) {
  CLI::App* app =
      program.add_subcommand("verify", "Compare a directory with what a view would show, or with its manifest");
  app->footer(
      "With DIR alone (and --quick, --threads, --json, --progress), DIR is checked against its manifest, without the "
      "source.");
  const auto arguments = std::make_shared<VerifyArguments>();
  AddViewOptions(*app, arguments->view);
  app->add_option("DIR", arguments->directory,
                  "Output of weight_sharder or materialize, or a mount. With one directory only, that is checked "
                  "against the manifest that materialize left in it, without the source");
  AddRankOptions(*app, "Expect only what", arguments->ranks);
  app->add_flag("--quick", arguments->options.quick, "Compare names, sizes and headers only");
  app->add_option("--threads", arguments->options.threads, "Pieces compared at a time (default: one per CPU)")
      ->check(CLI::Range(1u, 1024u))
      ->type_name("N");
  app->add_flag("--json", arguments->json, "Print the result as JSON");
  AddProgressOption(*app, arguments->progress);
  return {app, [app, arguments] { return RunVerify(*app, *arguments); }};
}

}  // namespace shardfs
