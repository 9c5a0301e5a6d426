// The root is listed first: what must not lie there, the metadata, and each rank's folders. Then all shards are opened
// and their headers read in parallel, as those of any checkpoint. A table by rank and name says in one step what a rank
// has; it takes 8 bytes a rank and name, half a megabyte for DeepSeek-R1 on 16 ranks.
#include "layout/mindie/reader/sharded_directory.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <set>

#include "base/quote_name.h"
#include "checkpoint/directory_listing.h"
#include "checkpoint/merge_tensors.h"
#include "checkpoint/read_text.h"
#include "checkpoint/shard_numbers.h"
#include "checkpoint/shard_reader.h"
#include "layout/mindie/state_dict.h"
#include "parallel/node_ranks.h"
#include "shardfs/base/file_descriptor.h"
#include "source/descriptor_limit.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxMetadataBytes = 100u << 20;
constexpr std::array kLookups = {MindieFolder::kNorm, MindieFolder::kAttention, MindieFolder::kMoe,
                                 MindieFolder::kDense, MindieFolder::kRank};

// The *.safetensors files of a folder as paths below the root; nothing when there is no such folder.
Result<std::optional<std::vector<std::string>>> ListFolder(const SourceRoot& root, const std::string& folder) {
  const FileDescriptor fd(::openat(root.descriptor(), folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::vector<std::string>>();
    return Status::FromErrno(errno, "cannot open the folder " + QuoteName(folder));
  }
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(fd.get()));
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    if (IsShardName(name)) paths.push_back(folder + "/" + name);
  }
  return std::optional(std::move(paths));
}

std::string_view FolderOf(std::string_view path) { return path.substr(0, path.find('/')); }

// Folders that lie beside those of the ranks and look like one.
bool LooksLikeFolder(std::string_view name) {
  return name == "model-norm" || name.starts_with("model-attn-tp-") || name.starts_with("model-moe-tp-") ||
         name.starts_with("model-dense-tp-") ||
         (name.starts_with("model-") && name.size() >= 9 &&
          name.find_first_not_of("0123456789", 6) == std::string_view::npos);
}

// The folders that are missing and the ranks that need them.
class MissingFolders {
 public:
  void Add(const std::string& folder, std::uint32_t rank) {
    if (folders_.empty()) {
      first_ = folder;
      first_rank_ = rank;
    }
    folders_.insert(folder);
    ranks_.Insert(rank);
  }

  Status ToStatus() const {
    if (folders_.empty()) return Status::Ok();
    const bool is_one = ranks_.ranks().size() == 1 && folders_.size() == 1;
    const std::string all = is_one ? ""
                                   : fmt::format(" In all, {} folder{} missing, of ranks {}.", folders_.size(),
                                                 folders_.size() == 1 ? " is" : "s are", FormatRanks(ranks_));
    return Status::Corruption(
        fmt::format("{} of rank {} is missing: the directory of one node only?{} Put the folders of all nodes into one "
                    "directory",
                    first_, first_rank_, all));
  }

 private:
  std::string first_;
  std::uint32_t first_rank_ = 0;
  std::set<std::string> folders_;
  RankSet ranks_;
};

Status CheckNoShardsBeside(const DirectoryListing& listing) {
  if (listing.shards.empty()) return Status::Ok();
  return Status::Corruption(
      fmt::format("{} lies beside {}: a checkpoint or a sharded directory? Move the one that is "
                  "not meant elsewhere",
                  QuoteName(listing.shards.front()), kShardedMetadata));
}

}  // namespace

Result<std::shared_ptr<const ShardedDirectory>> ShardedDirectory::Open(const std::string& path) {
  try {
    const std::shared_ptr<ShardedDirectory> directory(new ShardedDirectory);
    SHARDFS_ASSIGN_OR_RETURN(directory->root_, SourceRoot::Open(path));
    const Status status = directory->Load();
    if (!status.ok()) return status.WithContext(fmt::format("source '{}'", directory->root_->path()));
    return std::shared_ptr<const ShardedDirectory>(directory);
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(fmt::format("no memory for the headers of '{}'", path));
  }
}

Status ShardedDirectory::Load() {
  if (root_->is_file()) {
    return Status::InvalidArgument(fmt::format("it is a file; give the directory that holds {}", kShardedMetadata));
  }
  SHARDFS_ASSIGN_OR_RETURN(DirectoryListing listing, ListDirectory(root_->descriptor()));
  const auto metadata = ReadText(*root_, std::string(kShardedMetadata), kMaxMetadataBytes);
  if (metadata.status().code() == StatusCode::kNotFound) {
    return Status::Corruption(fmt::format("it has no {}, by which a MindIE directory is known", kShardedMetadata));
  }
  SHARDFS_RETURN_IF_ERROR(metadata.status());
  SHARDFS_RETURN_IF_ERROR(CheckNoShardsBeside(listing));
  SHARDFS_ASSIGN_OR_RETURN(sizes_, ShardedSizes::Parse(*metadata));
  for (const std::string& index : listing.indices) {
    warnings_.push_back(
        fmt::format("{} is left out: an index of files that this directory does not have", QuoteName(index)));
  }
  std::vector<std::string> shards;
  SHARDFS_RETURN_IF_ERROR(ListFolders(listing.others, &shards));
  return ExplainRefusal(incomplete_, LoadShards(shards));
}

std::vector<std::string> ShardedDirectory::FoldersOf(std::uint32_t rank) const {
  std::vector<std::string> folders;
  for (const MindieFolder folder : kLookups) folders.push_back(MindieFolderName(folder, sizes_.At(rank)));
  return folders;
}

Status ShardedDirectory::ListFolders(const std::vector<DirectoryEntry>& entries, std::vector<std::string>* shards) {
  std::map<std::string, bool> known;  // whether the folder is there
  MissingFolders missing;
  std::vector<std::string> gaps;
  for (std::uint32_t rank = 0; rank < sizes_.world_size; ++rank) {
    for (const std::string& folder : FoldersOf(rank)) {
      const auto [place, is_new] = known.try_emplace(folder, false);
      if (is_new) {
        SHARDFS_ASSIGN_OR_RETURN(const auto paths, ListFolder(*root_, folder));
        place->second = paths.has_value();
        if (paths) {
          folders_[folder];
          shards->insert(shards->end(), paths->begin(), paths->end());
          for (const MissingNumbers& set : FindMissingNumbers(*paths)) gaps.push_back(Describe(set));
        }
      }
      if (!place->second) missing.Add(folder, rank);
    }
  }
  incomplete_ = fmt::format("{}", fmt::join(gaps, "; "));
  for (const DirectoryEntry& entry : entries) {
    if (entry.name == kShardedMetadata || known.contains(entry.name)) continue;
    if (!entry.is_regular && LooksLikeFolder(entry.name)) {
      warnings_.push_back(
          fmt::format("{} is left out: it belongs to no rank of {}", QuoteName(entry.name), sizes_.Describe()));
      continue;
    }
    companions_.push_back(entry);
  }
  return missing.ToStatus();
}

Status ShardedDirectory::LoadShards(const std::vector<std::string>& paths) {
  SHARDFS_RETURN_IF_ERROR(ReserveDescriptors(paths.size()));
  SHARDFS_ASSIGN_OR_RETURN(std::vector<Shard> shards, ReadShards(*root_, paths));
  std::map<std::string_view, std::vector<Shard>> by_folder;
  for (std::size_t i = 0; i < shards.size(); ++i) by_folder[FolderOf(paths[i])].push_back(std::move(shards[i]));
  std::vector<std::shared_ptr<const FileSource>> files;
  for (auto& [folder, of_folder] : by_folder) {
    SHARDFS_ASSIGN_OR_RETURN(std::vector<TensorInfo> tensors, MergeTensors(of_folder, {}));
    stored_tensors_ += tensors.size();
    for (const TensorInfo& tensor : tensors) stored_bytes_ += tensor.size;
    folders_[std::string(folder)] = std::move(tensors);
    for (Shard& shard : of_folder) files.push_back(std::move(shard.file));
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a->name() < b->name(); });
  sources_ = std::make_shared<const SourceSet>(std::vector{root_}, std::move(files));
  return FillTable();
}

std::uint32_t ShardedDirectory::NumberOf(const std::string& name) {
  const auto [place, is_new] = numbers_.try_emplace(name, static_cast<std::uint32_t>(names_.size()));
  if (is_new) names_.push_back(name);
  return place->second;
}

Status ShardedDirectory::FillTable() {
  std::map<std::string_view, std::vector<std::uint32_t>> numbers;  // of each folder's tensors
  for (const auto& [folder, tensors] : folders_) {
    for (const TensorInfo& tensor : tensors) numbers[folder].push_back(NumberOf(tensor.name));
  }
  table_.assign(std::size_t{sizes_.world_size} * names_.size(), nullptr);
  for (std::uint32_t rank = 0; rank < sizes_.world_size; ++rank) {
    for (const std::string& folder : FoldersOf(rank)) {
      const auto& tensors = folders_.find(folder)->second;
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        const TensorInfo*& place = table_[Place(rank, numbers[folder][i])];
        if (place != nullptr) {
          return Status::Corruption(fmt::format(
              "rank {} has {} in {} and in {}; MindIE refuses that, and one of them "
              "is not meant",
              rank, tensors[i].name, QuoteName(place->source->name()), QuoteName(tensors[i].source->name())));
        }
        place = &tensors[i];
      }
    }
  }
  return Status::Ok();
}

std::optional<std::uint32_t> ShardedDirectory::Find(std::string_view name) const {
  const auto found = numbers_.find(std::string(name));
  return found == numbers_.end() ? std::nullopt : std::optional(found->second);
}

Status ShardedDirectory::CheckRanksAgree() const {
  for (std::uint32_t number = 0; number < name_count(); ++number) {
    const TensorInfo* const first = FindAt(0, number);
    for (std::uint32_t rank = 0; rank < sizes_.world_size; ++rank) {
      const TensorInfo* const other = FindAt(rank, number);
      if (other == nullptr) return Status::Corruption(fmt::format("rank {} lacks {}", rank, names_[number]));
      if (other->dtype == first->dtype && other->shape == first->shape) continue;
      return Status::Corruption(fmt::format("{} is {} {} in {}, but {} {} in {}: the folders come from different runs",
                                            names_[number], DtypeName(first->dtype), ShapeToString(first->shape),
                                            QuoteName(first->source->name()), DtypeName(other->dtype),
                                            ShapeToString(other->shape), QuoteName(other->source->name())));
    }
  }
  return Status::Ok();
}

}  // namespace shardfs
