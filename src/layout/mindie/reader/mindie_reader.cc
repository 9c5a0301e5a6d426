#include "layout/mindie/reader/mindie_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "checkpoint/read_text.h"
#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/effective_config.h"
#include "layout/mindie/reader/merge_losses.h"
#include "layout/mindie/reader/merge_rules.h"
#include "layout/mindie/reader/merged_description.h"
#include "layout/mindie/reader/replica_check.h"
#include "layout/mindie/reader/sharded_directory.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {
namespace {

constexpr std::array<std::string_view, 2> kSharedChoices = {"alias", "omit"};
constexpr std::array<OptionSpec, 1> kOptions = {{
    {"mtp_shared", OptionKind::kChoice, "HOW",
     "The MTP layer's embedding and head, which are not stored: copies of the model's, or left out", "alias",
     kSharedChoices},
}};
constexpr const OptionSpec& kMtpShared = kOptions[0];

bool IsDescription(std::string_view name) { return name.starts_with("quant_model_description"); }

void AddFiles(const ShardedDirectory& directory, Checkpoint::Content& content) {
  for (const DirectoryEntry& entry : directory.companions()) {
    if (entry.name.starts_with(kReservedPrefix) || IsDescription(entry.name)) continue;
    content.files.push_back({entry.name, entry.is_regular, entry.size, nullptr});
  }
}

void AddDescription(const QuantDescription& description, const MergedTensors& tensors, const DeepseekConfig& config,
                    Checkpoint::Content& content) {
  auto text = std::make_shared<const std::string>(MergedDescriptionJson(tensors, config, description));
  CompanionFile file{description.file_name(), true, text->size(), text};
  const auto place = std::find_if(content.files.begin(), content.files.end(),
                                  [&](const CompanionFile& other) { return other.name > file.name; });
  content.files.insert(place, std::move(file));
}

Result<CheckpointPtr> OpenDirectory(const std::shared_ptr<const ShardedDirectory>& directory, bool copies_shared) {
  const auto read = [&](const std::string& name, std::uint64_t limit) {
    return ReadText(directory->root(), name, limit);
  };
  SHARDFS_ASSIGN_OR_RETURN(const EffectiveConfig effective, EffectiveConfig::Read(read, directory->path()));
  SHARDFS_ASSIGN_OR_RETURN(const DeepseekConfig config,
                           DeepseekConfig::Parse(effective.json(), effective.QuantizeOrigin()));
  SHARDFS_RETURN_IF_ERROR(effective.RequireDescription());
  SHARDFS_ASSIGN_OR_RETURN(const MindieFidelity variant, FindVariant(*directory, config));
  SHARDFS_RETURN_IF_ERROR(CheckMergeable(*directory, config, variant));
  SHARDFS_ASSIGN_OR_RETURN(Merge merge, MergeTensorsOf(*directory, config, variant, copies_shared));
  Checkpoint::Content content;
  AddFiles(*directory, content);
  if (!config.quantize.empty()) AddDescription(*effective.description(), merge.tensors, config, content);
  content.warnings = directory->warnings();
  for (std::string& loss : MergeLosses(merge.findings, config, variant)) content.warnings.push_back(std::move(loss));
  if (merge.findings.has_groups && !effective.description()->HasGroupSize()) {
    content.warnings.push_back(fmt::format(
        "W4A8 weights have a scale for each group, but {} does not record group_size: set it there to the columns of a "
        "group before other programs read the merged checkpoint",
        effective.description()->file_name()));
  }
  content.transforms.push_back({std::string(kMergeName), DescribeShards(directory->sizes(), variant)});
  content.tensors = std::make_shared<const MergedStateDict>(directory, std::move(merge.tensors),
                                                            config.routed_experts / directory->sizes().moe_ep);
  content.sources = directory->sources();
  content.stored_tensors = directory->stored_tensors();
  content.stored_bytes = directory->stored_bytes();
  content.incomplete = directory->incomplete();
  content.storage = Checkpoint::Storage::kSlices;
  content.checks.push_back(MakeReplicaCheck(directory->path()));
  content.reader = MindieReader().name();
  return std::make_shared<const Checkpoint>(std::move(content));
}

}  // namespace

std::span<const OptionSpec> MindieReader::options() const { return kOptions; }

Recognition MindieReader::Recognise(std::span<const std::string> names) const {
  if (!std::binary_search(names.begin(), names.end(), kShardedMetadata)) return {};
  return {Recognition::Degree::kCertain, std::string(kShardedMetadata)};
}

Result<CheckpointPtr> MindieReader::Open(const std::string& path, const OptionValues& values) const {
  SHARDFS_ASSIGN_OR_RETURN(const auto directory, ShardedDirectory::Open(path));
  Result<CheckpointPtr> checkpoint = OpenDirectory(directory, values.Text(kMtpShared) != "omit");
  if (checkpoint.ok()) return checkpoint;
  return ExplainRefusal(directory->incomplete(), checkpoint.status())
      .WithContext(fmt::format("source '{}'", directory->path()));
}

std::string ShardsOf(const Checkpoint& checkpoint) {
  if (checkpoint.reader() != MindieReader().name()) return {};
  for (const AppliedTransform& transform : checkpoint.transforms()) {
    if (transform.name == kMergeName) return transform.account;
  }
  return {};
}

}  // namespace shardfs
