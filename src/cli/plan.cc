// shardfs plan: prints, from headers alone, what a view consists of and what each rank and node loads.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cli/commands.h"
#include "layout/mindie/offset_check.h"
#include "layout/mindie/reader/mindie_reader.h"
#include "layout/mindie/reader/replica_check.h"
#include "cli/options.h"
#include "console/output.h"
#include "service/output_file.h"
#include "report/plan_html.h"
#include "report/plan_report.h"
#include "base/text_file.h"

namespace shardfs {
namespace {

struct PlanOptions {
  ViewRequest view;
  std::optional<std::uint32_t> nodes;
  bool sources = false;
  bool check = false;
  bool json = false;
  std::string html;  // where to; empty for none
};

nlohmann::ordered_json ToJson(const OffsetCheck& check) {
  return {{"tensors", check.tensors}, {"nonzero_tensors", check.nonzero_tensors}, {"first_nonzero", check.first}};
}

nlohmann::ordered_json ToJson(const ReplicaCheck& check) {
  return {{"copies", check.tensors}, {"differing", check.differing}, {"first_differing", check.first}};
}

// The copies that a source of several ranks has of one tensor; nothing for any other source.
Result<std::optional<ReplicaCheck>> CheckReplicasOf(const Checkpoint& checkpoint) {
  if (ShardsOf(checkpoint).empty()) return std::optional<ReplicaCheck>();
  SHARDFS_ASSIGN_OR_RETURN(ReplicaCheck check, CheckReplicas(checkpoint.path()));
  return std::optional(std::move(check));
}

// As it was typed, as far as a shell would take it again.
std::string CommandLine() {
  const auto words = ReadTextFile("/proc/self/cmdline");
  std::istringstream stream(words.ok() ? *words : "shardfs plan");
  std::string line;
  for (std::string word; std::getline(stream, word, '\0');) {
    const bool plain = !word.empty() && word.find_first_of(" \t\n\"'\\$`&;|<>()*?[]#~!{}") == std::string::npos;
    // A quote within quotes: end them, an escaped quote, begin them again.
    for (std::size_t at = 0; !plain && (at = word.find('\'', at)) != std::string::npos; at += 4)
      word.replace(at, 1, "'\\''");
    line += (line.empty() ? "" : " ") + (plain ? word : "'" + word + "'");
  }
  return line;
}

Status WritePage(const PlanOptions& options, const BuiltView& view, const PlanReport& report) {
  const PlanPicture picture = MakePlanPicture(view, report);
  const std::string page = FormatPlanPage(view, report, picture, CommandLine());
  errno = 0;
  std::ofstream file(options.html, std::ios::binary | std::ios::trunc);
  file << page << std::flush;
  return file.good() ? Status::Ok() : Status::FromErrno(errno, "cannot write " + options.html);
}

int RunPlan(const PlanOptions& options) {
  if (!options.html.empty()) {
    const Status outside = CheckOutsideSource("the page", options.html, options.view.source);
    if (!outside.ok()) return ExitCodeOf(outside);
  }
  const Result<FileDescriptor> reader = HoldReader("the page", options.html);
  if (!reader.ok()) return ExitCodeOf(reader.status());
  const auto view = BuildView(options.view);
  if (!view.ok()) return ExitCodeOf(view.status());
  const std::uint32_t nodes = options.nodes.value_or(std::max(view->view.nodes, 1u));
  const auto report = MakePlanReport(*view, nodes, options.sources);
  if (!report.ok()) return ExitCodeOf(report.status());
  std::optional<OffsetCheck> offsets;
  std::optional<ReplicaCheck> replicas;
  if (options.check) {
    auto checked = CheckOffsets(*view->view.tree);
    if (!checked.ok()) return ExitCodeOf(checked.status());
    offsets = std::move(checked).value();
    auto copies = CheckReplicasOf(*view->checkpoint);
    if (!copies.ok()) return ExitCodeOf(copies.status());
    replicas = std::move(copies).value();
  }
  if (!options.html.empty()) {
    const Status written = WritePage(options, *view, *report);
    if (!written.ok()) return ExitCodeOf(Status::IoError(std::string(written.message())));
  }
  if (options.json) {
    nlohmann::ordered_json json = PlanToJson(*view, *report);
    if (offsets) json["offsets"] = ToJson(*offsets);
    if (replicas) json["replicas"] = ToJson(*replicas);
    // Names come from the checkpoint: what is not UTF-8 in them is replaced, because JSON cannot hold it.
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    std::cout << ForTerminal(FormatPlan(*view, *report));
    if (offsets) std::cout << FormatOffsetCheck(*offsets);
    if (replicas) std::cout << FormatReplicaCheck(*replicas);
  }
  const bool differ = replicas && replicas->differing > 0;
  return FinishOutput("plan", differ ? ToExitCode(StatusCode::kDifferent) : 0);
}

}  // namespace

Command AddPlanCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("plan", "Print what a view consists of and what each rank loads of it");
  const auto options = std::make_shared<PlanOptions>();
  AddViewOptions(*app, options->view);
  app->add_option("--nnodes", options->nodes, "Servers among which the ranks are shared (default: the rank table's)")
      ->type_name("M");
  app->add_flag("--sources", options->sources, "Show what each file is made of");
  app->add_flag("--check", options->check,
                "Also say which weight_offsets are not zero, and whether copies that ranks of SOURCE share agree");
  app->add_flag("--json", options->json, "Print JSON");
  app->add_option("--html", options->html, "Also write a page that shows it, for a browser")->type_name("FILE");
  return {app, [options] { return RunPlan(*options); }};
}

}  // namespace shardfs
