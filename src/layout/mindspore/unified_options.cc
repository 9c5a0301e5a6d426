#include "layout/mindspore/unified_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/quote_name.h"
#include "base/text_file.h"
#include "shardfs/base/file_digest.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::array<std::string_view, 2> kPlacements = {"tools", "training"};
constexpr std::size_t kMaxRenameBytes = 64u << 20;

constexpr std::array<OptionSpec, 7> kOptions = {{
    {"filter_out_param_prefix", OptionKind::kList, "PREFIXES", "Leave out parameters whose names begin so", "none"},
    {"rename", OptionKind::kList, "FILE", "JSON file {\"old\": \"new\"} of parameters to rename", "none"},
    {"split_dst_file", OptionKind::kText, "K/N", "Show the parts of task K of N; the first has the map as well",
     "all parts"},
    {"part_limit", OptionKind::kBytes, "SIZE", "Size of a part on average, at 4 bytes for every element", "3GiB"},
    {"placement", OptionKind::kChoice, "WHOSE",
     "Which rank holds which slice where MindSpore's tools and its training disagree", "tools", kPlacements},
    {"complete", OptionKind::kSwitch, "", "Show what MindSpore's tools lose, where it can be had", "no"},
    {"max_process_num", OptionKind::kCount, "N", "Taken as MindSpore's tool takes it; changes no byte", ""},
}};
constexpr const OptionSpec& kFilter = kOptions[0];
constexpr const OptionSpec& kRename = kOptions[1];
constexpr const OptionSpec& kTask = kOptions[2];
constexpr const OptionSpec& kLimit = kOptions[3];
constexpr const OptionSpec& kPlacement = kOptions[4];
constexpr const OptionSpec& kComplete = kOptions[5];

Status TakeNames(const std::string& path, const std::string& text, UnifiedOptions& options) {
  const auto document = ParseJson(text, path, {.max_bytes = kMaxRenameBytes, .max_depth = 2});
  if (!document.ok()) return Status::InvalidArgument(fmt::format("rename: {}", document.status().message()));
  if (!document->is_object()) {
    return Status::InvalidArgument(fmt::format("rename: {} holds no object of old and new names", QuoteName(path)));
  }
  for (const auto& [from, to] : document->members()) {
    if (to.is_string() && !to.text().empty()) {
      options.renamed.emplace(from, to.text());
      continue;
    }
    return Status::InvalidArgument(
        fmt::format("rename: {} gives no new name for {}", QuoteName(path), QuoteName(from)));
  }
  return Status::Ok();
}

Status TakeRename(const OptionValues& values, UnifiedOptions& options) {
  const GivenOption* const given = values.Find(kRename.name);
  if (given == nullptr) return Status::Ok();
  for (const GivenOption& other : values.given()) {
    if (&other != given && other.name == kRename.name) {
      return Status::InvalidArgument("rename is given twice; the mindspore-unified layout takes one file");
    }
  }
  const auto text = ReadTextFile(given->text, kMaxRenameBytes);
  if (!text.ok()) {
    const bool is_rule = given->text.find("=>") != std::string::npos;
    return Status::InvalidArgument(
        fmt::format("rename: {}{}", text.status().message(),
                    is_rule ? "; with the mindspore-unified layout rename is a JSON file of old and new names" : ""));
  }
  options.rename_file =
      fmt::format("{} ({})", given->text, FileDigest::OfBytes(std::as_bytes(std::span(*text))).ToHex());
  return TakeNames(given->text, *text, options);
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
  if (values.Text(kPlacement) == "training") options.placement = Placement::kTraining;
  options.complete = values.Switch(kComplete).value_or(false);
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
  return {{"filter_out_param_prefix", fmt::format("{}", fmt::join(filtered_prefixes, ","))},
          {"rename", rename_file},
          {"split_dst_file", task ? fmt::format("{}/{}", task->task, task->tasks) : ""},
          {"part_limit", std::to_string(part_limit)},
          {"placement", placement == Placement::kTraining ? "training" : "tools"},
          {"complete", complete ? "true" : "false"}};
}

}  // namespace shardfs
