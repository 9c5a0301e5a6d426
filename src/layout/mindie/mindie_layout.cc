#include "layout/mindie/mindie_layout.h"

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <array>
#include <map>

#include "layout/mindie/deepseek_config.h"
#include "layout/mindie/deepseek_weights.h"
#include "layout/mindie/json_files.h"
#include "layout/mindie/layout_options.h"
#include "layout/mindie/state_dict.h"
#include "layout/shard_packing.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 100u << 20;

// What does not fit together, or would lose data in the reference (sections 1, 2 and 7).
Status CheckModelFits(const DeepseekConfig& config, const MindieMapping& mapping, bool mtp) {
  const auto divides = [](std::uint64_t part, std::string_view part_name, std::uint64_t whole,
                          std::string_view whole_name, std::string_view consequence) {
    if (whole % part == 0) return Status::Ok();
    return Status::InvalidArgument(
        fmt::format("{} is {}, which does not divide {} {}{}", part_name, part, whole_name, whole, consequence));
  };
  SHARDFS_RETURN_IF_ERROR(divides(mapping.tp(), "tp", config.heads, "num_attention_heads", ""));
  SHARDFS_RETURN_IF_ERROR(divides(mapping.tp(), "tp", config.hidden_size, "hidden_size",
                                  ": weight_sharder would drop the embedding's last columns"));
  SHARDFS_RETURN_IF_ERROR(divides(mapping.moe_ep(), "moe_ep", config.routed_experts, "n_routed_experts",
                                  ": weight_sharder would lose the last experts"));
  const std::uint64_t layers = config.layers + (mtp ? 1 : 0);
  const std::uint64_t first_moe = std::min(config.first_dense_layers, config.layers);
  if (first_moe <= kLastDenseFolderLayer && first_moe < layers) {
    return Status::NotSupported(fmt::format(
        "layer {} has experts (first_k_dense_replace {}, num_hidden_layers {}), but weight_sharder puts layers "
        "up to {} into folders that ranks with different experts overwrite, and loses data",
        first_moe, config.first_dense_layers, config.layers, kLastDenseFolderLayer));
  }
  return Status::Ok();
}

// One folder, ready to be put into the tree.
struct BuiltFolder {
  std::string name;
  std::vector<std::pair<std::string, std::unique_ptr<const VirtualFile>>> files;
};

Result<BuiltFolder> BuildFolder(std::string name, std::vector<NamedTensor> tensors, std::uint64_t max_shard_bytes,
                                const std::shared_ptr<const Checkpoint>& checkpoint) {
  std::vector<std::uint64_t> sizes;
  for (const NamedTensor& named : tensors) sizes.push_back(named.tensor->bytes());
  const auto shards = PackShards(sizes, max_shard_bytes);
  BuiltFolder folder{std::move(name), {}};
  for (std::size_t s = 0; s < shards.size(); ++s) {
    std::vector<NamedTensor> in_file;
    for (const std::size_t i : shards[s]) in_file.push_back(std::move(tensors[i]));
    SHARDFS_ASSIGN_OR_RETURN(auto file, MakeTensorFile(in_file, checkpoint));
    folder.files.emplace_back(ShardFileName(s, shards.size()), std::move(file));
  }
  return folder;
}

class MindieTree {
 public:
  MindieTree(const MindieModel& model, std::shared_ptr<const Checkpoint> checkpoint, std::uint64_t max_shard_bytes)
      : model_(model), checkpoint_(std::move(checkpoint)), max_shard_bytes_(max_shard_bytes) {}

  Result<std::shared_ptr<const VirtualTree>> Build(const JsonValue& config_json, std::vector<std::string>* warnings) {
    SHARDFS_RETURN_IF_ERROR(AddFolders());
    SHARDFS_RETURN_IF_ERROR(AddRootFiles(config_json, warnings));
    return std::move(builder_).Build();
  }

 private:
  static constexpr std::array kFolders = {MindieFolder::kMoe, MindieFolder::kDense, MindieFolder::kAttention,
                                          MindieFolder::kRank, MindieFolder::kNorm};

  // Folders that several ranks write have the same bytes whoever wrote last: the lowest of them builds it.
  std::array<bool, kMindieFolders> BuiltBy(std::uint32_t rank) const {
    std::array<bool, kMindieFolders> wanted{};
    wanted[static_cast<std::size_t>(MindieFolder::kMoe)] = true;
    wanted[static_cast<std::size_t>(MindieFolder::kRank)] = true;
    wanted[static_cast<std::size_t>(MindieFolder::kDense)] = rank < model_.mapping.tp();
    wanted[static_cast<std::size_t>(MindieFolder::kAttention)] = rank < model_.mapping.tp();
    wanted[static_cast<std::size_t>(MindieFolder::kNorm)] = rank == 0;
    return wanted;
  }

  Status BuildRank(std::uint32_t rank, std::vector<BuiltFolder>* folders) const {
    const auto wanted = BuiltBy(rank);
    SHARDFS_ASSIGN_OR_RETURN(MindieStateDict state_dict, BuildMindieStateDict(model_, rank, wanted));
    for (const MindieFolder folder : kFolders) {
      const auto index = static_cast<std::size_t>(folder);
      if (!wanted[index]) continue;
      SHARDFS_ASSIGN_OR_RETURN(BuiltFolder built,
                               BuildFolder(MindieFolderName(folder, model_.mapping.At(rank)),
                                           std::move(state_dict[index]), max_shard_bytes_, checkpoint_));
      folders->push_back(std::move(built));
    }
    return Status::Ok();
  }

  Status AddFolders() {
    const std::uint32_t world = model_.mapping.world_size();
    std::map<std::string, RankSet> ranks_of;
    for (std::uint32_t rank = 0; rank < world; ++rank) {
      for (const MindieFolder folder : kFolders)
        ranks_of[MindieFolderName(folder, model_.mapping.At(rank))].Insert(rank);
    }
    std::vector<std::vector<BuiltFolder>> built(world);
    std::vector<Status> statuses(world);
    tbb::parallel_for(std::uint32_t{0}, world,
                      [&](std::uint32_t rank) { statuses[rank] = BuildRank(rank, &built[rank]); });
    for (std::uint32_t rank = 0; rank < world; ++rank) {
      SHARDFS_RETURN_IF_ERROR(statuses[rank]);
      for (BuiltFolder& folder : built[rank]) SHARDFS_RETURN_IF_ERROR(AddFolder(std::move(folder), ranks_of));
    }
    return Status::Ok();
  }

  Status AddFolder(BuiltFolder folder, const std::map<std::string, RankSet>& ranks_of) {
    const RankSet& ranks = ranks_of.at(folder.name);
    SHARDFS_RETURN_IF_ERROR(builder_.AddDirectory(folder.name, ranks));
    std::vector<std::string>& names = files_of_[folder.name];
    for (auto& [name, file] : folder.files) {
      SHARDFS_RETURN_IF_ERROR(builder_.AddFile(folder.name + "/" + name, ranks, std::move(file)));
      names.push_back(name);
    }
    return Status::Ok();
  }

  Status AddRootFiles(const JsonValue& config_json, std::vector<std::string>* warnings) {
    const RankSet all = RankSet::All(model_.mapping.world_size());
    SHARDFS_RETURN_IF_ERROR(
        builder_.AddFile("config.json", all, MakeGeneratedFile(MindieConfigJson(config_json, model_.config.dtype))));
    SHARDFS_RETURN_IF_ERROR(builder_.AddFile("model_sharded_metadata.json", all,
                                             MakeGeneratedFile(MindieMetadataJson(model_.mapping, files_of_))));
    for (const DirectoryEntry& entry : checkpoint_->other_entries()) {
      if (!MindieCopiesFile(entry.name)) continue;
      if (!entry.is_regular) {
        warnings->push_back(fmt::format("{} is not a regular file and is left out", entry.name));
        continue;
      }
      if (entry.size > kMaxCopiedFileBytes) {
        return Status::NotSupported(fmt::format("{} has {} bytes; weight_sharder copies files of at most {}",
                                                entry.name, entry.size, kMaxCopiedFileBytes));
      }
      SHARDFS_ASSIGN_OR_RETURN(auto source, checkpoint_->OpenFile(entry.name));
      SHARDFS_RETURN_IF_ERROR(builder_.AddFile(entry.name, all, MakePassthroughFile(std::move(source))));
    }
    return Status::Ok();
  }

  const MindieModel& model_;
  const std::shared_ptr<const Checkpoint> checkpoint_;
  const std::uint64_t max_shard_bytes_;
  VirtualTreeBuilder builder_;
  std::map<std::string, std::vector<std::string>> files_of_;  // by folder
};

std::string Summary(const DeepseekConfig& config, const MindieMapping& mapping, bool mtp) {
  return fmt::format(
      "mindie layout of {} ({}, {} layers{}, {} experts) for {} ranks: dp {}, tp {}, moe_tp {}, moe_ep {}, sp {}, cp "
      "{}",
      config.model_type, DtypeName(config.dtype), config.layers, mtp ? " and MTP" : "", config.routed_experts,
      mapping.world_size(), mapping.dp(), mapping.tp(), mapping.moe_tp(), mapping.moe_ep(), mapping.sp(), mapping.cp());
}

}  // namespace

Result<LayoutResult> MindieLayout::Build(std::shared_ptr<const Checkpoint> checkpoint,
                                         const LayoutOptions& options) const {
  SHARDFS_ASSIGN_OR_RETURN(const MindieOptions mindie,
                           MindieOptions::Parse(options.layout_options, options.dp_partition_up));
  SHARDFS_ASSIGN_OR_RETURN(const MindieMapping mapping, MindieMapping::Create(options.parallel));
  Result<std::string> config_text = checkpoint->ReadTextFile("config.json", kMaxConfigBytes);
  if (!config_text.ok() && config_text.status().code() == StatusCode::kNotFound) {
    return Status::Corruption(fmt::format("{} has no config.json", checkpoint->path()));
  }
  SHARDFS_RETURN_IF_ERROR(config_text.status());
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue config_json, ParseJson(*config_text, "config.json"));
  SHARDFS_ASSIGN_OR_RETURN(const DeepseekConfig config, DeepseekConfig::Parse(config_json));
  SHARDFS_RETURN_IF_ERROR(CheckModelFits(config, mapping, options.mtp));
  SHARDFS_ASSIGN_OR_RETURN(const DeepseekWeights weights, DeepseekWeights::Resolve(*checkpoint, config, options.mtp));

  LayoutResult result;
  result.world_size = mapping.world_size();
  result.nodes = mapping.nodes();
  result.summary = Summary(config, mapping, options.mtp);
  result.ignored = weights.ignored;
  result.warnings = checkpoint->warnings();
  if (mindie.RotatesRouter(mapping)) {
    result.warnings.push_back(fmt::format(
        "router rows are rotated, as weight_sharder does for dp {}, cp {}, moe_ep {}; MindIE's loader rotates "
        "them a second time and would route tokens to wrong experts",
        mapping.dp(), mapping.cp(), mapping.moe_ep()));
  }
  const MindieModel model{config, weights, mapping, mindie};
  SHARDFS_ASSIGN_OR_RETURN(
      result.tree,
      MindieTree(model, std::move(checkpoint), options.max_shard_bytes).Build(config_json, &result.warnings));
  return result;
}

}  // namespace shardfs
