// shardfs plan: prints, from headers alone, what a view consists of and what each rank and node loads.
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/offset_check.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/plan_report.h"

namespace shardfs {
namespace {

struct PlanOptions {
  CommonOptions common;
  std::optional<std::uint32_t> nodes;
  bool sources = false;
  bool check = false;
  bool json = false;
};

nlohmann::ordered_json ToJson(const OffsetCheck& check) {
  return {{"tensors", check.tensors}, {"nonzero_tensors", check.nonzero_tensors}, {"first_nonzero", check.first}};
}

int RunPlan(const PlanOptions& options) {
  const auto view = BuildView(options.common);
  if (!view.ok()) return ExitCodeOf(view.status());
  const std::uint32_t nodes = options.nodes.value_or(std::max(view->layout.nodes, 1u));
  const auto report = MakePlanReport(*view, nodes, options.sources);
  if (!report.ok()) return ExitCodeOf(report.status());
  std::optional<OffsetCheck> offsets;
  if (options.check) {
    auto checked = CheckOffsets(*view->layout.tree);
    if (!checked.ok()) return ExitCodeOf(checked.status());
    offsets = std::move(checked).value();
  }
  if (options.json) {
    nlohmann::ordered_json json = PlanToJson(*view, *report);
    if (offsets) json["offsets"] = ToJson(*offsets);
    // Names come from the checkpoint: what is not UTF-8 in them is replaced, because JSON cannot hold it.
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    std::cout << FormatPlan(*view, *report);
    if (offsets) std::cout << FormatOffsetCheck(*offsets);
  }
  std::cout.flush();
  return std::cout.good() ? 0 : ExitCodeOf(Status::IoError("cannot write the plan to standard output"));
}

}  // namespace

Command AddPlanCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("plan", "Print what a view consists of and what each rank loads of it");
  const auto options = std::make_shared<PlanOptions>();
  AddCommonOptions(*app, options->common);
  app->add_option("--nnodes", options->nodes, "Servers among which the ranks are shared (default: the rank table's)")
      ->type_name("M");
  app->add_flag("--sources", options->sources, "Show what each file is made of");
  app->add_flag("--check", options->check, "Also read every weight_offset and say which are not zero");
  app->add_flag("--json", options->json, "Print JSON");
  return {app, [options] { return RunPlan(*options); }};
}

}  // namespace shardfs
