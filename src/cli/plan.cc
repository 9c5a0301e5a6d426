// shardfs plan: prints, from headers alone, what a view consists of and what each rank and node loads.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/environment_variable.h"
#include "base/parse_number.h"
#include "base/text_file.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "console/finding.h"
#include "console/output.h"
#include "console/text.h"
#include "pipeline/view_identity.h"
#include "report/plan_html.h"
#include "report/plan_report.h"
#include "service/output_file.h"

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

struct Answered {
  std::string name;
  CheckAnswer answer;
};

Result<std::vector<Answered>> AskAll(const View& view) {
  std::vector<Answered> answers;
  for (const ContentCheck& check : view.checks) {
    SHARDFS_ASSIGN_OR_RETURN(CheckAnswer answer, check.ask());
    answers.push_back({check.name, std::move(answer)});
  }
  return answers;
}

nlohmann::ordered_json ToJson(const CheckAnswer& answer) {
  nlohmann::ordered_json json;
  for (const auto& [name, count] : answer.counts) json[name] = count;
  if (!answer.names_key.empty()) json[answer.names_key] = answer.names;
  return json;
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

// Today, or the day of SOURCE_DATE_EPOCH, in UTC.
std::string Today() {
  const std::optional<std::string> epoch = EnvironmentVariable("SOURCE_DATE_EPOCH");
  const auto given = epoch ? ParseNumber<std::int64_t>(*epoch) : std::nullopt;
  const std::chrono::sys_seconds now = given
                                           ? std::chrono::sys_seconds(std::chrono::seconds(*given))
                                           : std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(now));
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                     static_cast<unsigned>(day.day()));
}

Status WritePage(const PlanOptions& options, const BuiltView& view, const PlanReport& report) {
  const PlanPicture picture = MakePlanPicture(view, report);
  SHARDFS_ASSIGN_OR_RETURN(const FileDigest digest, SourceDigest(view));
  const PageOrigin origin{CommandLine(), Today(), digest.ToHex()};
  const std::string page = FormatPlanPage(view, report, picture, origin, LanguageOfEnvironment());
  errno = 0;
  std::ofstream file(options.html, std::ios::binary | std::ios::trunc);
  file << page << std::flush;
  if (file.good()) return Status::Ok();
  return Status::IoError(std::string(Status::FromErrno(errno, "cannot write " + options.html).message()));
}

// A page is for a reader of the environment's language, and so is the reason why there is none.
int Refuse(const PlanOptions& options, const Status& status) {
  return options.html.empty() ? ExitCodeOf(status) : ReportRefusal(status);
}

int RunPlan(const PlanOptions& options) {
  if (!options.html.empty()) {
    const Status outside = CheckOutsideSource("the page", options.html, options.view.source);
    if (!outside.ok()) return Refuse(options, outside);
  }
  const Result<FileDescriptor> reader = HoldReader("the page", options.html);
  if (!reader.ok()) return Refuse(options, reader.status());
  const auto view = options.html.empty() ? BuildView(options.view) : BuildViewInLanguage(options.view);
  if (!view.ok()) return Refuse(options, view.status());
  const std::uint32_t nodes = options.nodes.value_or(std::max(view->view.nodes, 1u));
  const auto report = MakePlanReport(*view, nodes, options.sources);
  if (!report.ok()) return Refuse(options, report.status());
  std::vector<Answered> answers;
  if (options.check) {
    auto asked = AskAll(view->view);
    if (!asked.ok()) return Refuse(options, asked.status());
    answers = std::move(asked).value();
  }
  if (!options.html.empty()) {
    const Status written = WritePage(options, *view, *report);
    if (!written.ok()) return Refuse(options, written);
  }
  if (options.json) {
    nlohmann::ordered_json json = PlanToJson(*view, *report);
    for (const Answered& one : answers) json[one.name] = ToJson(one.answer);
    // Names come from the checkpoint: what is not UTF-8 in them is replaced, because JSON cannot hold it.
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    std::cout << ForTerminal(FormatPlan(*view, *report));
    if (options.check && answers.empty()) std::cout << "\nChecks: this source and layout have none beyond headers\n";
    for (const Answered& one : answers) std::cout << "\n" << one.answer.text;
  }
  const bool differ =
      std::any_of(answers.begin(), answers.end(), [](const Answered& one) { return one.answer.differs; });
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
  app->add_flag("--check", options->check, "Also read the tensors that the source's or the layout's checks ask about");
  app->add_flag("--json", options->json, "Print JSON");
  app->add_option("--html", options->html, "Also write a page that shows it, for a browser")->type_name("FILE");
  return {app, [options] { return RunPlan(*options); }};
}

}  // namespace shardfs
