// shardfs explain: what a file of a view, one of its tensors or a range of its bytes is made of.
#include "report/explain.h"

#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "console/output.h"
#include "service/mounted_request.h"
#include "shardfs/layout/registry.h"
#include "shardfs/option/option_taker.h"

namespace shardfs {
namespace {

struct ExplainArguments {
  ViewRequest view;
  std::string file;
  std::string tensor;
  std::string range;  // "OFFSET:BYTES"
  bool json = false;
};

Result<ExplainQuestion> QuestionOf(const ExplainArguments& arguments) {
  ExplainQuestion question{.path = arguments.file, .tensor = arguments.tensor};
  if (arguments.range.empty()) return question;
  if (!arguments.tensor.empty()) {
    return Status::InvalidArgument("TENSOR and --range each say what of the file is meant; give one of them");
  }
  const std::size_t colon = arguments.range.find(':');
  const auto offset = ParseNumber<std::uint64_t>(arguments.range.substr(0, colon));
  const auto bytes =
      colon == std::string::npos ? std::nullopt : ParseNumber<std::uint64_t>(arguments.range.substr(colon + 1));
  if (!offset || !bytes || *bytes == 0) {
    return Status::InvalidArgument(
        fmt::format("--range takes OFFSET:BYTES, as in 4096:512, and got {}", QuoteName(arguments.range)));
  }
  question.range = ExplainQuestion::Range{*offset, *bytes};
  return question;
}

// The request holds every option of the mounted view; those of this environment say nothing about it.
void ForgetEnvironment() {
  for (const OptionTaker& taker : AllTakers()) {
    for (const OptionSpec& spec : taker.options) {
      if (!spec.environment.empty()) ::unsetenv(std::string(spec.environment).c_str());
    }
  }
}

Status CheckNoViewOptions(const ViewRequest& request) {
  if (request.options.empty() && request.from.empty() && request.layout.empty() && request.config_file.empty()) {
    return Status::Ok();
  }
  return Status::InvalidArgument(
      "the options of a mounted view are those that it was mounted with; give --source SOURCE to explain a view with "
      "others");
}

Status RunExplain(ExplainArguments& arguments) {
  SHARDFS_ASSIGN_OR_RETURN(ExplainQuestion question, QuestionOf(arguments));
  std::string shown = arguments.file;
  if (arguments.view.source.empty()) {
    SHARDFS_RETURN_IF_ERROR(CheckNoViewOptions(arguments.view));
    SHARDFS_ASSIGN_OR_RETURN(MountedRequest mounted, FindMountedRequest(arguments.file));
    question.path = mounted.path;
    arguments.view = std::move(mounted.request);
    ForgetEnvironment();
  }
  // Its warnings were given when it was mounted.
  const auto ignore = [](const std::string&) {};
  SHARDFS_ASSIGN_OR_RETURN(const BuiltView built, BuildView(arguments.view, ignore, ignore));
  SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ReaderOptions(arguments.view));
  SHARDFS_ASSIGN_OR_RETURN(const CkptOptions ckpt, CkptOptions::Parse(values));
  SHARDFS_ASSIGN_OR_RETURN(const FileExplanation explanation, Explain(built, ckpt, question));
  if (arguments.json) {
    std::cout << ExplanationToJson(explanation).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
              << "\n";
  } else {
    std::cout << ForTerminal(FormatExplanation(explanation, question));
  }
  return Status::Ok();
}

}  // namespace

Command AddExplainCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("explain", "Say what a file of a view, or a tensor of it, is made of");
  const auto arguments = std::make_shared<ExplainArguments>();
  app->add_option("FILE", arguments->file, "File of a mounted view; with --source, its path within the view")
      ->required();
  app->add_option("TENSOR", arguments->tensor, "Only this tensor of the file");
  app->add_option("--range", arguments->range, "Only so many bytes of the file, from an offset on")
      ->type_name("OFFSET:BYTES");
  app->add_option("--source", arguments->view.source, "Explain a view of this checkpoint that is not mounted")
      ->type_name("SOURCE");
  app->add_flag("--json", arguments->json, "Print JSON, all parts of all tensors");
  AddOptionsOfView(*app, arguments->view);
  return {app, [arguments] {
            const Status status = RunExplain(*arguments);
            return status.ok() ? FinishOutput("explanation", 0) : ExitCodeOf(status);
          }};
}

}  // namespace shardfs
