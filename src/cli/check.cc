// shardfs check: is a checkpoint whole, and is it the one that was published?
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/quote_name.h"
#include "base/text_file.h"
#include "checkpoint/hub_cache.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "console/cancel_signals.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/progress_json.h"
#include "materialize/small_file.h"
#include "service/output_file.h"
#include "shardfs/base/format_bytes.h"
#include "verify/source_check.h"

namespace shardfs {
namespace {

using Json = nlohmann::ordered_json;

struct CheckArguments {
  ViewRequest view;
  std::string save;     // where to; empty for none
  std::string against;  // empty for what the download says
  unsigned threads = 0;
  bool json = false;
  ProgressMode progress = ProgressMode::kAuto;
};

// The source as its reader sees it, if the reader takes it.
struct Read {
  std::optional<std::set<std::string>> weights;
  std::vector<SourceFinding> findings;
  std::vector<std::string> notes;
};

SourceFinding Incomplete(std::string message) {
  return {.kind = SourceFinding::Kind::kIncomplete, .message = std::move(message)};
}

// An index that names what is not there, or elsewhere, misleads a loader that goes by it. Tensors that it does not name
// are invisible to such a loader, and may be meant to be.
void AddIndex(const CheckedIndex& index, Read& read) {
  std::vector<IndexDefect> wrong;
  std::vector<IndexDefect> unnamed;
  for (const IndexDefect& defect : index.defects) {
    (defect.kind == IndexDefect::Kind::kNotMapped ? unnamed : wrong).push_back(defect);
  }
  if (!wrong.empty()) {
    SourceFinding finding = Incomplete(DescribeIndexDefects(wrong));
    finding.path = index.name;
    read.findings.push_back(std::move(finding));
  }
  if (!unnamed.empty()) read.notes.push_back(fmt::format("{} {}", index.name, DescribeIndexDefects(unnamed)));
}

// What the reader says of the whole. A refusal of the content is a finding, and the files are checked nevertheless; a
// refusal of the command line or of the system is an error.
Result<Read> AskReader(const ViewRequest& request) {
  Read read;
  const Result<CheckpointPtr> checkpoint = OpenCheckpoint(request);
  if (!checkpoint.ok()) {
    const StatusCode code = checkpoint.status().code();
    if (code != StatusCode::kCorruption && code != StatusCode::kNotSupported && code != StatusCode::kNotFound) {
      return checkpoint.status();
    }
    read.findings.push_back(Incomplete(std::string(checkpoint.status().message())));
    return read;
  }
  read.weights.emplace();
  for (const auto& file : (*checkpoint)->sources().files()) read.weights->insert(file->name());
  if (!(*checkpoint)->incomplete().empty()) read.findings.push_back(Incomplete((*checkpoint)->incomplete()));
  for (const CheckedIndex& index : (*checkpoint)->indices()) AddIndex(index, read);
  return read;
}

Result<std::shared_ptr<const SourceRoot>> OpenRoot(const std::string& source) {
  SHARDFS_ASSIGN_OR_RETURN(const auto root, SourceRoot::Open(source));
  if (root->is_file()) return root;
  SHARDFS_ASSIGN_OR_RETURN(const std::optional<std::string> snapshot, FindSnapshot(root->path()));
  return snapshot ? SourceRoot::Open(*snapshot) : Result<std::shared_ptr<const SourceRoot>>(root);
}

Result<SourceCheckOptions> OptionsOf(const CheckArguments& arguments, const Read& read) {
  SourceCheckOptions options;
  SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ReaderOptions(arguments.view));
  SHARDFS_RETURN_IF_ERROR(RequireReaderOptions(values));
  SHARDFS_ASSIGN_OR_RETURN(options.ckpt, CkptOptions::Parse(values));
  options.weights = read.weights;
  options.wants_checksums = !arguments.save.empty();
  options.threads = arguments.threads;
  if (arguments.against.empty()) return options;
  constexpr std::size_t kMostBytes = std::size_t{64} << 20;
  const Result<std::string> text = ReadTextFile(arguments.against, kMostBytes);
  if (!text.ok()) return Status::InvalidArgument(std::string(text.status().message()));
  if (text->starts_with('{')) {
    return Status::InvalidArgument(fmt::format(
        "{} is JSON, and --against takes the form of sha256sum; `shardfs verify DIR` compares with a manifest of "
        "materialize",
        QuoteName(arguments.against)));
  }
  options.against_name = QuoteName(arguments.against);
  SHARDFS_ASSIGN_OR_RETURN(options.against, ChecksumList::Parse(*text, options.against_name));
  return options;
}

Result<SourceCheckReport> RunWithProgress(const SourceCheck& check, ProgressMode mode) {
  const CancelSignals signals;
  std::stop_source cancel;
  VerifyProgress progress;
  const auto snapshot = [&] {
    ProgressState state{.bytes_done = progress.bytes_done.load(std::memory_order_relaxed),
                        .bytes_total = check.total_bytes(),
                        .files_done = progress.files_done.load(std::memory_order_relaxed),
                        .files_total = check.files().size()};
    state.phase = "check";
    const std::uint32_t current = progress.current_file.load(std::memory_order_relaxed);
    if (current < check.files().size()) state.current_file = check.files()[current].path;
    return state;
  };
  const ProgressReporter reporter(mode, snapshot, [&cancel, &signals] {
    if (signals.Received()) cancel.request_stop();
  });
  return check.Run(progress, cancel.get_token());
}

Status Save(const std::string& file, const SourceCheckReport& report) {
  const bool all_read = std::none_of(report.findings.begin(), report.findings.end(), [](const SourceFinding& finding) {
    return finding.kind == SourceFinding::Kind::kUnreadable;
  });
  if (!all_read) {
    PrintWarning(fmt::format("{} is not written: not every file could be read", QuoteName(file)));
    return Status::Ok();
  }
  const std::filesystem::path path(file);
  if (!path.has_filename()) return Status::InvalidArgument(fmt::format("{} is no name of a file", QuoteName(file)));
  const std::string parent = path.has_parent_path() ? path.parent_path().string() : ".";
  const FileDescriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return Status::FromErrno(errno, "cannot open " + QuoteName(parent));
  constexpr mode_t kMode = 0644;
  return WriteSmallFile(directory.get(), path.filename().string(), file, report.checksums.Serialize(), kMode);
}

// Returns whether a refusal of the whole source says nothing but what the files' own findings say.
bool IsToldByFiles(std::string refusal, const std::string& source, const std::vector<SourceFinding>& findings) {
  const auto take_out = [&refusal](const std::string& text) {
    if (const std::size_t at = refusal.find(text); at != std::string::npos) refusal.erase(at, text.size());
  };
  take_out(fmt::format("source '{}': ", source));
  for (const SourceFinding& finding : findings) {
    if (finding.kind == SourceFinding::Kind::kUnreadable) take_out(finding.message);
  }
  return refusal.find_first_not_of("; ") == std::string::npos;
}

struct Checked {
  std::string source;
  SourceCheckReport report;
};

Result<Checked> Run(const CheckArguments& arguments) {
  if (!arguments.save.empty()) {
    SHARDFS_RETURN_IF_ERROR(CheckOutsideSource("the manifest", arguments.save, arguments.view.source));
  }
  SHARDFS_ASSIGN_OR_RETURN(Read read, AskReader(arguments.view));
  SHARDFS_ASSIGN_OR_RETURN(SourceCheckOptions options, OptionsOf(arguments, read));
  SHARDFS_ASSIGN_OR_RETURN(const auto root, OpenRoot(arguments.view.source));
  SHARDFS_ASSIGN_OR_RETURN(const SourceCheck check, SourceCheck::Create(root, std::move(options)));
  SHARDFS_ASSIGN_OR_RETURN(SourceCheckReport report, RunWithProgress(check, arguments.progress));
  if (!arguments.save.empty()) SHARDFS_RETURN_IF_ERROR(Save(arguments.save, report));
  std::erase_if(read.findings, [&](const SourceFinding& finding) {
    return finding.path.empty() && IsToldByFiles(finding.message, root->path(), report.findings);
  });
  report.findings.insert(report.findings.begin(), read.findings.begin(), read.findings.end());
  report.notes.insert(report.notes.begin(), read.notes.begin(), read.notes.end());
  return Checked{root->path(), std::move(report)};
}

// Returns whether the digests say that it is the published checkpoint, or the one of the manifest.
const char* DigestVerdict(const SourceCheckReport& report) {
  if (report.digests == 0) return "unknown";
  return report.digests == report.equal_digests ? "equal" : "different";
}

Json ToJson(const SourceFinding& finding) {
  Json json = {{"path", finding.path}, {"kind", SourceFindingName(finding.kind)}};
  if (!finding.tensor.empty()) json["tensor"] = finding.tensor;
  if (finding.bytes > 0) json["offset"] = finding.offset;
  if (finding.bytes > 0) json["bytes"] = finding.bytes;
  if (finding.nan + finding.infinite > 0) json["nan"] = finding.nan;
  if (finding.nan + finding.infinite > 0) json["infinite"] = finding.infinite;
  if (!finding.expected.empty()) json["expected"] = finding.expected;
  if (!finding.actual.empty()) json["actual"] = finding.actual;
  json["message"] = finding.message;
  return json;
}

Json ToJson(const Checked& checked) {
  const SourceCheckReport& report = checked.report;
  Json json = {{"source", checked.source},
               {"whole", report.findings.empty()},
               {"digests", DigestVerdict(report)},
               {"files", report.files},
               {"weights_files", report.weights_files},
               {"tensors", report.tensors},
               {"digests_compared", report.digests},
               {"digests_equal", report.equal_digests},
               {"bytes_read", report.bytes_read},
               {"seconds", report.seconds}};
  json["findings"] = Json::array();
  for (const SourceFinding& finding : report.findings) json["findings"].push_back(ToJson(finding));
  json["notes"] = report.notes;
  return json;
}

std::string DescribeDigests(const CheckArguments& arguments, const SourceCheckReport& report) {
  const std::string with = arguments.against.empty() ? "published" : "saved";
  if (report.digests == 0) {
    return arguments.save.empty() ? "; which digests were published is not known, as the files are no download of "
                                    "Hugging Face's and --against is not given"
                                  : "";
  }
  if (report.digests == report.equal_digests) {
    return fmt::format("; all {} {} digests are equal", report.digests, with);
  }
  return fmt::format("; {} of {} {} digests are equal", report.equal_digests, report.digests, with);
}

// A reader's message names the file, or the source, itself.
std::string DescribeFinding(const std::string& source, const SourceFinding& finding) {
  const std::string name = QuoteName(finding.path.empty() ? source : finding.path);
  const std::string message = OneLine(finding.message);
  if (message.starts_with(name) || message.starts_with("source " + name)) return message;
  return fmt::format("{}: {}", name, message);
}

void PrintText(const CheckArguments& arguments, const Checked& checked) {
  constexpr std::size_t kMostOfAFile = 20;  // lines; --json has all
  const SourceCheckReport& report = checked.report;
  const std::string* path = nullptr;
  std::size_t shown = 0;
  std::size_t left_out = 0;
  for (const SourceFinding& finding : report.findings) {
    if (path == nullptr || *path != finding.path) shown = 0;
    path = &finding.path;
    if (++shown > kMostOfAFile) {
      ++left_out;
      continue;
    }
    std::cout << DescribeFinding(checked.source, finding) << "\n";
  }
  if (left_out > 0) std::cout << fmt::format("and {} more, which --json lists\n", left_out);
  for (const std::string& note : report.notes) std::cout << fmt::format("note: {}\n", OneLine(note));
  const std::size_t wrong = report.findings.size();
  const double rate = static_cast<double>(report.bytes_read) / std::max(report.seconds, 1e-9);
  std::cout << fmt::format("{}: {}{} ({} files, {} tensors, {} read in {:.1f} s, {}/s)\n", checked.source,
                           wrong == 0 ? "whole" : fmt::format("{} thing{} wrong", wrong, wrong == 1 ? " is" : "s are"),
                           DescribeDigests(arguments, report), report.files, report.tensors,
                           FormatBytes(report.bytes_read), report.seconds,
                           FormatBytes(static_cast<std::uint64_t>(rate)));
}

int ExitCodeOf(const SourceCheckReport& report) {
  if (report.findings.empty()) return 0;
  const bool broken = std::any_of(report.findings.begin(), report.findings.end(),
                                  [](const SourceFinding& finding) { return IsBroken(finding.kind); });
  return ToExitCode(broken ? StatusCode::kCorruption : StatusCode::kDifferent);
}

int RunCheck(const CheckArguments& arguments) {
  const Result<Checked> checked = Run(arguments);
  if (!checked.ok()) {
    const int code = shardfs::ExitCodeOf(checked.status());
    if (arguments.progress == ProgressMode::kJson) PrintProgressError(checked.status(), code);
    return code;
  }
  const int code = ExitCodeOf(checked->report);
  if (arguments.progress == ProgressMode::kJson) {
    std::cout << FormatProgressEnd(code == 0 ? "done" : "different", code, {}, ToJson(*checked)) << "\n";
  } else if (arguments.json) {
    std::cout << ToJson(*checked).dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  } else {
    PrintText(arguments, *checked);
  }
  return FinishOutput("result", code);
}

}  // namespace

Command AddCheckCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("check", "Say whether a checkpoint is whole, and the published one");
  const auto arguments = std::make_shared<CheckArguments>();
  AddSourceOptions(*app, arguments->view);
  app->add_option("--save", arguments->save, "Write the SHA-256 of all files there, as sha256sum does")
      ->type_name("FILE");
  app->add_option("--against", arguments->against,
                  "Compare with that manifest (default: with the digests that a download of Hugging Face's keeps)")
      ->type_name("FILE");
  app->add_option("--threads", arguments->threads, "Files read at a time (default: one per CPU)")
      ->check(CLI::Range(1u, 1024u))
      ->type_name("N");
  app->add_flag("--json", arguments->json, "Print the result as JSON");
  AddProgressOption(*app, arguments->progress);
  app->footer(
      "Exit codes: 0 whole; 3 damaged or incomplete; 4 a digest differs, or there are zeros, NaN or infinities where "
      "values should be.");
  return {app, [arguments] { return RunCheck(*arguments); }};
}

}  // namespace shardfs
