#include "layout/mindspore/unified_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/quote_name.h"
#include "layout/mindspore/mindspore_options.h"
#include "layout/mindspore/name_map.h"
#include "shardfs/base/file_digest.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, 7> kOptions = {{
    {"filter_out_param_prefix", OptionKind::kList, "PREFIXES", "Leave out parameters whose names begin so", "none"},
    {"rename", OptionKind::kList, "FILE", "JSON file {\"old\": \"new\"} of parameters to rename", "none"},
    {"split_dst_file", OptionKind::kText, "K/N", "Show the parts of task K of N; the first has the map as well",
     "all parts"},
    {"part_limit", OptionKind::kBytes, "SIZE", "Size of a part on average, at 4 bytes for every element", "3GiB"},
    kPlacementOption,
    kCompleteOption,
    {"max_process_num", OptionKind::kCount, "N", "Taken as MindSpore's tool takes it; changes no byte", ""},
}};
constexpr const OptionSpec& kFilter = kOptions[0];
constexpr const OptionSpec& kRename = kOptions[1];
constexpr const OptionSpec& kTask = kOptions[2];
constexpr const OptionSpec& kLimit = kOptions[3];

Status TakeRename(const OptionValues& values, UnifiedOptions& options) {
  const GivenOption* const given = values.Find(kRename.name);
  if (given == nullptr) return Status::Ok();
  for (const GivenOption& other : values.given()) {
    if (&other != given && other.name == kRename.name) {
      return Status::InvalidArgument("rename is given twice; the mindspore-unified layout takes one file");
    }
  }
  const auto names = ReadNameMap(given->text, kRename.name);
  if (!names.ok()) {
    if (given->text.find("=>") == std::string::npos) return names.status();
    return Status::InvalidArgument(
        fmt::format("rename is {}; with the mindspore-unified layout it is a JSON file of old and new names",
                    QuoteName(given->text)));
  }
  std::string text;
  for (const auto& [from, to] : *names) text += from + '\0' + to + '\0';
  const FileDigest digest = FileDigest::OfBytes(std::as_bytes(std::span(text)));
  options.rename_file = fmt::format("{} ({})", given->text, digest.ToHex());
  options.renamed = *names;
  return Status::Ok();
}

}  // namespace

std::span<const OptionSpec> UnifiedOptions::Specs() { return kOptions; }

Result<UnifiedOptions> UnifiedOptions::Parse(const OptionValues& values) {
  UnifiedOptions options;
  options.filtered_prefixes = values.List(kFilter);
  SHARDFS_RETURN_IF_ERROR(TakeRename(values, options));
  if (const auto task = values.Text(kTask)) {
    SHARDFS_ASSIGN_OR_RETURN(options.task, ParsePartTask(*task));
  }
  options.part_limit = values.Bytes(kLimit).value_or(options.part_limit);
  const WholeCutOptions shared = CutOptionsOf(values);
  options.placement = shared.placement;
  options.complete = shared.complete;
  return options;
}

bool UnifiedOptions::LeavesOut(std::string_view name) const {
  return std::any_of(filtered_prefixes.begin(), filtered_prefixes.end(),
                     [name](const std::string& prefix) { return name.starts_with(prefix); });
}

std::string UnifiedOptions::NewNameOf(std::string_view name) const {
  const auto found = renamed.find(std::string(name));
  return found == renamed.end() ? std::string(name) : found->second;
}

OptionPairs UnifiedOptions::InForce() const {
  OptionPairs pairs;
  if (!filtered_prefixes.empty()) {
    pairs.emplace_back(kFilter.name, fmt::format("{}", fmt::join(filtered_prefixes, ",")));
  }
  if (!rename_file.empty()) pairs.emplace_back(kRename.name, rename_file);
  if (task) pairs.emplace_back(kTask.name, fmt::format("{}/{}", task->task, task->tasks));
  pairs.emplace_back(kLimit.name, std::to_string(part_limit));
  pairs.emplace_back(kPlacementOption.name, placement == Placement::kTraining ? "training" : "tools");
  pairs.emplace_back(kCompleteOption.name, complete ? "true" : "false");
  return pairs;
}

}  // namespace shardfs
