#include "layout/mindie/mindie_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/parallel.h"
#include "layout/mindie/json_files.h"
#include "view/file_split.h"
#include "base/quote_name.h"
#include "checkpoint/recognise_source.h"

namespace shardfs {
namespace {

constexpr std::array kFolders = {MindieFolder::kMoe, MindieFolder::kDense, MindieFolder::kAttention,
                                 MindieFolder::kRank, MindieFolder::kNorm};

// One folder, ready to be put into the tree.
struct BuiltFolder {
  std::string name;
  std::vector<std::pair<std::string, std::unique_ptr<const VirtualFile>>> files;
};

// The folders that one rank builds, and its lines of the description.
struct BuiltRank {
  Status status;
  std::vector<BuiltFolder> folders;
  std::vector<DescribedTensor> description;
};

class TreeBuilder {
 public:
  TreeBuilder(const MindieModel& model, CheckpointPtr checkpoint, std::uint64_t max_shard_bytes)
      : model_(model), checkpoint_(std::move(checkpoint)), max_shard_bytes_(max_shard_bytes) {}

  Result<std::shared_ptr<const VirtualTree>> Build(const EffectiveConfig& config, std::vector<std::string>* warnings) {
    SHARDFS_RETURN_IF_ERROR(AddFolders());
    SHARDFS_RETURN_IF_ERROR(AddCopiedFiles(warnings));
    SHARDFS_RETURN_IF_ERROR(AddGeneratedFiles(config));
    SHARDFS_RETURN_IF_ERROR(AddMetadata());
    return std::move(builder_).Build();
  }

 private:
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

  Result<BuiltFolder> BuildFolder(std::string name, std::vector<PlannedTensor> tensors) const {
    std::vector<std::uint64_t> sizes;
    for (const PlannedTensor& tensor : tensors) sizes.push_back(tensor.plan.size());
    auto shards = PackShards(sizes, max_shard_bytes_);
    // Every folder needs a file to be loaded; weight_sharder writes none into an empty one.
    if (shards.empty() && model_.fidelity == MindieFidelity::kLoader) shards.emplace_back();
    BuiltFolder folder{std::move(name), {}};
    for (std::size_t s = 0; s < shards.size(); ++s) {
      std::vector<PlannedTensor> in_file;
      for (const std::size_t i : shards[s]) in_file.push_back(std::move(tensors[i]));
      SHARDFS_ASSIGN_OR_RETURN(auto file, MakePlannedFile(std::move(in_file), checkpoint_));
      folder.files.emplace_back(ShardFileName(s, shards.size()), std::move(file));
    }
    return folder;
  }

  Status BuildRank(std::uint32_t rank, BuiltRank* built) const {
    const auto wanted = BuiltBy(rank);
    SHARDFS_ASSIGN_OR_RETURN(MindieStateDict state_dict, BuildMindieStateDict(model_, rank, wanted));
    for (const MindieFolder folder : kFolders) {
      const auto index = static_cast<std::size_t>(folder);
      if (!wanted[index]) continue;
      SHARDFS_ASSIGN_OR_RETURN(BuiltFolder built_folder, BuildFolder(MindieFolderName(folder, model_.mapping.At(rank)),
                                                                     std::move(state_dict.folders[index])));
      built->folders.push_back(std::move(built_folder));
    }
    built->description = std::move(state_dict.description);
    return Status::Ok();
  }

  Status AddFolders() {
    const std::uint32_t world = model_.mapping.world_size();
    std::map<std::string, RankSet> ranks_of;
    for (std::uint32_t rank = 0; rank < world; ++rank) {
      for (const MindieFolder folder : kFolders)
        ranks_of[MindieFolderName(folder, model_.mapping.At(rank))].Insert(rank);
    }
    std::vector<BuiltRank> built(world);
    ParallelFor(world, [&](std::uint32_t rank) { built[rank].status = BuildRank(rank, &built[rank]); });
    for (BuiltRank& rank : built) {
      SHARDFS_RETURN_IF_ERROR(rank.status);
      for (BuiltFolder& folder : rank.folders) SHARDFS_RETURN_IF_ERROR(AddFolder(std::move(folder), ranks_of));
    }
    // Rank 0 builds a folder of each kind, so its lines are those of its whole state dict.
    description_ = std::move(built.front().description);
    return Status::Ok();
  }

  Status AddFolder(BuiltFolder&& folder, const std::map<std::string, RankSet>& ranks_of) {
    const RankSet& ranks = ranks_of.at(folder.name);
    SHARDFS_RETURN_IF_ERROR(builder_.AddDirectory(folder.name, ranks));
    std::vector<std::string>& names = files_of_[folder.name];
    for (auto& [name, file] : folder.files) {
      SHARDFS_RETURN_IF_ERROR(builder_.AddFile(folder.name + "/" + name, ranks, std::move(file)));
      names.push_back(name);
    }
    return Status::Ok();
  }

  Status AddRootFile(const std::string& name, std::unique_ptr<const VirtualFile> file) {
    root_files_.push_back(name);
    return builder_.AddFile(name, RankSet::All(model_.mapping.world_size()), std::move(file));
  }

  Status AddGeneratedFiles(const EffectiveConfig& config) {
    SHARDFS_RETURN_IF_ERROR(
        AddRootFile("config.json", MakeGeneratedFile(MindieConfigJson(config, model_.config.dtype, model_.fidelity))));
    if (model_.description == nullptr) return Status::Ok();
    const std::string& quantize = model_.config.quantize;
    return AddRootFile(MindieDescriptionName(*model_.description, quantize),
                       MakeGeneratedFile(MindieDescriptionJson(*model_.description, quantize, description_,
                                                               MindieDescriptionSettings(config))));
  }

  // The first rank of each node writes it, each over the other's: from the second on, it lists the files of the root,
  // itself among them.
  Status AddMetadata() {
    constexpr const char* kName = "model_sharded_metadata.json";
    std::vector<std::string> listed;
    if (model_.mapping.nodes() > 1 && model_.fidelity == MindieFidelity::kSharder) {
      listed = root_files_;
      listed.emplace_back(kName);
      std::sort(listed.begin(), listed.end());
    }
    return AddRootFile(kName,
                       MakeGeneratedFile(MindieMetadataJson(model_.mapping, model_.fidelity, listed, files_of_)));
  }

  Status AddCopiedFiles(std::vector<std::string>* warnings) {
    for (const CompanionFile& entry : checkpoint_->files()) {
      if (!MindieCopiesFile(entry.name)) continue;
      if (entry.name.starts_with(kReservedPrefix)) {
        warnings->push_back(
            fmt::format("{} is left out: names that begin with {} are shardfs's own", entry.name, kReservedPrefix));
        continue;
      }
      if (!entry.is_regular) {
        warnings->push_back(fmt::format("{} is not a regular file and is left out", QuoteName(entry.name)));
        continue;
      }
      if (entry.size > kMaxCopiedFileBytes) {
        return Status::NotSupported(fmt::format("{} has {} bytes; weight_sharder copies files of at most {}",
                                                QuoteName(entry.name), entry.size, kMaxCopiedFileBytes));
      }
      if (entry.text != nullptr) {
        SHARDFS_RETURN_IF_ERROR(AddRootFile(entry.name, MakeGeneratedFile(*entry.text)));
        continue;
      }
      SHARDFS_ASSIGN_OR_RETURN(auto source, checkpoint_->sources().OpenFile(entry.name));
      SHARDFS_RETURN_IF_ERROR(CheckCopiedFile(*source, warnings));
      SHARDFS_RETURN_IF_ERROR(AddRootFile(entry.name, MakePassthroughFile(std::move(source))));
    }
    return Status::Ok();
  }

  // The file is shown as it is, whatever it holds; but a pointer or a web page in its place is nobody's tokenizer.
  static Status CheckCopiedFile(const FileSource& source, std::vector<std::string>* warnings) {
    const ContentKind kind = RecogniseSource(source);
    const std::string sentence = fmt::format("{} {}", QuoteName(source.name()), DescribeContentKind(kind));
    if (kind == ContentKind::kGitLfsPointer || kind == ContentKind::kHtml) return Status::Corruption(sentence);
    const bool is_json = source.name().ends_with(".json");
    const bool is_no_file = kind == ContentKind::kEmpty || kind == ContentKind::kZeros || kind == ContentKind::kXml;
    const bool is_archive = kind == ContentKind::kZip || kind == ContentKind::kTar ||
                            kind == ContentKind::kCompressed || kind == ContentKind::kPickle;
    const bool is_text_for_json = is_json && kind == ContentKind::kText && FirstBytes(source).front() != '[';
    if (is_no_file || is_archive || is_text_for_json || (is_json && IsForeign(kind, ContentKind::kJson))) {
      warnings->push_back(sentence);
    }
    return Status::Ok();
  }

  const MindieModel& model_;
  const CheckpointPtr checkpoint_;
  const std::uint64_t max_shard_bytes_;
  VirtualTreeBuilder builder_;
  std::map<std::string, std::vector<std::string>> files_of_;  // by folder
  std::vector<DescribedTensor> description_;
  std::vector<std::string> root_files_;
};

}  // namespace

Result<std::shared_ptr<const VirtualTree>> BuildMindieTree(const MindieModel& model,
                                                           CheckpointPtr checkpoint,
                                                           const EffectiveConfig& config, std::uint64_t max_shard_bytes,
                                                           std::vector<std::string>* warnings) {
  return TreeBuilder(model, std::move(checkpoint), max_shard_bytes).Build(config, warnings);
}

}  // namespace shardfs
