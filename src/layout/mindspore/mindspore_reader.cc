#include "layout/mindspore/mindspore_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/quote_name.h"
#include "layout/mindspore/mindspore_options.h"
#include "layout/mindspore/mindspore_source.h"
#include "layout/mindspore/mindspore_tensors.h"
#include "layout/mindspore/rank_files.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, 3 + kCkptOptions.size()> kOptions = {{
    {.name = "src_strategy",
     .kind = OptionKind::kFile,
     .value = "FILE|DIR",
     .summary = "Strategy by which the source's ranks were saved; a directory is merged",
     .fallback = "",
     .is_input = true,
     .alias = "src_strategy_file"},
    {"file_suffix", OptionKind::kText, "SUFFIX", "Take the files of ranks that end so before .safetensors or .ckpt",
     "the newest files"},
    {.name = "has_redundancy",
     .kind = OptionKind::kSwitch,
     .value = "",
     .summary = "The files of ranks are complete, where their metadata do not say",
     .fallback = "yes",
     .alias = "merge_with_redundancy"},
    kCkptOptions[0],
    kCkptOptions[1],
    kCkptOptions[2],
    kCkptOptions[3],
}};
constexpr const OptionSpec& kStrategy = kOptions[0];
constexpr const OptionSpec& kSuffix = kOptions[1];
constexpr const OptionSpec& kRedundancy = kOptions[2];

// How many of the parameters that files hold are split, and how many are of the optimizer shard.
std::string DescribeParameters(const MindsporeSource& source) {
  std::size_t held = 0;
  std::size_t model = 0;
  std::size_t sharded = 0;
  for (const SourceParameter& parameter : source.parameters()) {
    if (parameter.copies.empty()) continue;
    ++held;
    const auto& grid = source.GridOf(parameter.copies.front().layout, Placement::kTraining);
    if (!grid.ok()) continue;
    if (grid->cells() > grid->shard_size()) ++model;
    if (grid->shard_size() > 1) ++sharded;
  }
  return fmt::format(
      "{} of {} in the strategy are in the files: {} split by model parallelism, {} by the optimizer shard", held,
      Counted(source.parameters().size(), "parameter"), model, sharded);
}

std::string DescribeRanks(const MindsporeSource& source) {
  const auto files = source.files();
  const auto removed = std::count_if(files.begin(), files.end(), [](const SourceFile& file) {
    return std::find(file.metadata.begin(), file.metadata.end(),
                     std::pair<std::string, std::string>("remove_redundancy", "True")) != file.metadata.end();
  });
  std::string text = fmt::format("source: MindSpore's ranks, {} with a file", Counted(files.size(), "rank"));
  if (removed > 0) text += fmt::format(" ({} without redundancy)", removed);
  if (source.strategy() == nullptr) return text + "; no strategy is given";
  return fmt::format("{}; the strategy is of {} of {}", text,
                     Counted(source.strategy()->stages().size(), "pipeline stage"),
                     Counted(source.strategy()->devices(), "device"));
}

// The tensors whose bytes hold two values each, as any file says.
FileMetadata Int4Marks(const MindsporeSource& source) {
  FileMetadata marks;
  for (const SourceFile& file : source.files()) {
    for (const auto& [name, text] : file.metadata) {
      if (text == "Int4" && source.FindName(name)) marks.emplace_back(name, text);
    }
  }
  std::sort(marks.begin(), marks.end());
  marks.erase(std::unique(marks.begin(), marks.end()), marks.end());
  return marks;
}

std::vector<std::string> DescribeSource(const MindsporeSource& source) {
  switch (source.kind()) {
    case MindsporeSource::Kind::kFull:
      return {fmt::format("source: one full file of MindSpore, {}", QuoteName(source.files().front().source->name()))};
    case MindsporeSource::Kind::kUnified:
      return {fmt::format("source: MindSpore's unified directory, {} in {}",
                          Counted(source.weight_map().size(), "tensor"), Counted(source.files().size(), "file"))};
    case MindsporeSource::Kind::kRanks:
      break;
  }
  std::vector<std::string> account = {DescribeRanks(source)};
  if (source.strategy() == nullptr) return account;
  account.push_back(DescribeParameters(source));
  std::vector<std::string_view> hyper;
  for (std::uint32_t name = 0; name < source.names(); ++name) {
    if (!source.ParameterOf(name)) hyper.push_back(source.NameOf(name));
  }
  if (!hyper.empty()) {
    account.push_back(fmt::format("{} in no strategy, and passed on as they are: {}{}",
                                  hyper.size() == 1 ? "1 tensor is" : fmt::format("{} tensors are", hyper.size()),
                                  QuoteName(hyper.front()),
                                  hyper.size() == 1 ? "" : fmt::format(" and {} more", hyper.size() - 1)));
  }
  return account;
}

void WarnOfPlacement(const MindsporeSource& source, std::vector<std::string>& warnings) {
  std::size_t count = 0;
  std::string_view first;
  for (const SourceParameter& parameter : source.parameters()) {
    if (parameter.copies.empty() || !parameter.defect.ok()) continue;
    if (!source.GridOf(parameter.copies.front().layout, Placement::kTraining)->placements_differ()) continue;
    if (count++ == 0) first = source.NameOf(parameter.name);
  }
  if (count == 0) return;
  warnings.push_back(fmt::format(
      "MindSpore's tools place the slices of {}, {} first, on other ranks than training does; the mindspore layouts do "
      "as the tools unless --placement training is given, all others as training",
      Counted(count, "parameter"), QuoteName(first)));
}

}  // namespace

std::span<const OptionSpec> MindsporeReader::options() const { return kOptions; }

Recognition MindsporeReader::Recognise(std::span<const std::string> names) const {
  for (const std::string& name : names) {
    if (name == "param_name_map.json") return {Recognition::Degree::kCertain, name};
  }
  for (const std::string& name : names) {
    if (RankOfDirectory(name)) return {Recognition::Degree::kPossible, name};
  }
  return {};
}

Result<CheckpointPtr> MindsporeReader::Open(const std::string& directory, const OptionValues& values) const {
  MindsporeSource::Options options;
  options.strategy = values.Text(kStrategy).value_or("");
  options.file_suffix = values.Text(kSuffix).value_or("");
  options.has_redundancy = values.Switch(kRedundancy).value_or(true);
  SHARDFS_ASSIGN_OR_RETURN(options.ckpt, CkptOptions::Parse(values));
  SHARDFS_ASSIGN_OR_RETURN(const MindsporeSourcePtr source, MindsporeSource::Open(directory, options));
  Checkpoint::Content content;
  content.tensors = MakeWholeTensors(source);
  content.sources = source->sources();
  content.stored_tensors = source->stored_tensors();
  content.stored_bytes = source->stored_bytes();
  if (source->kind() == MindsporeSource::Kind::kRanks) content.storage = Checkpoint::Storage::kSlices;
  content.reader = name();
  content.account = DescribeSource(*source);
  content.parts = source;
  content.metadata = Int4Marks(*source);
  content.ignored.assign(source->ignored().begin(), source->ignored().end());
  content.warnings.assign(source->warnings().begin(), source->warnings().end());
  WarnOfPlacement(*source, content.warnings);
  return std::make_shared<const Checkpoint>(std::move(content));
}

}  // namespace shardfs
