#include "shardfs/checkpoint/safetensors_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <numeric>
#include <optional>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "checkpoint/checkpoint_index.h"
#include "source/descriptor_limit.h"
#include "checkpoint/directory_listing.h"
#include "checkpoint/download_leftovers.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/index_check.h"
#include "checkpoint/merge_tensors.h"
#include "checkpoint/read_text.h"
#include "checkpoint/shard_numbers.h"
#include "checkpoint/safetensors_state_dict.h"
#include "checkpoint/shard_reader.h"

namespace shardfs {
namespace {

// One is usual, two are a mistake that does no harm.
constexpr std::size_t kMaxIndices = 8;

// `left`: the bytes that indices may still have; all together are bounded as one is.
Result<CheckpointIndex> ReadIndex(const SourceRoot& root, const std::string& name, std::uint64_t& left) {
  const auto json = ReadText(root, name, left);
  if (json.status().code() == StatusCode::kNotFound) {  // it was in the listing a moment ago
    return Status::Corruption(std::string(json.status().message()));
  }
  SHARDFS_RETURN_IF_ERROR(json.status());
  left -= json->size();
  auto index = ParseCheckpointIndex(*json, name);
  if (index.ok() || index.status().code() != StatusCode::kCorruption) return index;
  return Status::Corruption(fmt::format("{} (files that are complete need no index: one that is wrong may be removed)",
                                        index.status().message()));
}

Result<std::vector<NamedIndex>> ReadIndices(const SourceRoot& root, const std::vector<std::string>& names) {
  if (names.size() > kMaxIndices) {
    return Status::NotSupported(
        fmt::format("there are {} indices (*.safetensors.index.json), more than {}; remove those "
                    "that are about other files",
                    names.size(), kMaxIndices));
  }
  std::uint64_t left = kMaxIndexBytes;
  std::vector<NamedIndex> indices;
  for (const std::string& name : names) {
    SHARDFS_ASSIGN_OR_RETURN(CheckpointIndex index, ReadIndex(root, name, left));
    indices.push_back({name, std::move(index)});
  }
  return indices;
}

// Why a directory has no shard: what it has instead, as far as that is known.
Status NoShards(const DirectoryListing& listing, std::span<const NamedIndex> indices) {
  std::string message = "there is no *.safetensors file in the directory";
  for (const NamedIndex& one : indices) {
    if (one.index.files.empty()) continue;
    message += fmt::format("; {} names {}, {} first: download them", QuoteName(one.name), one.index.files.size(),
                           QuoteName(one.index.files.front()));
  }
  for (const std::string_view ending : {".bin", ".pt", ".pth", ".ckpt", ".gguf", ".safetensors.gz"}) {
    const auto found = std::find_if(listing.others.begin(), listing.others.end(),
                                    [&](const DirectoryEntry& entry) { return entry.name.ends_with(ending); });
    if (found == listing.others.end()) continue;
    message += fmt::format("; weights as in {} are to be converted to safetensors first", QuoteName(found->name));
    break;
  }
  return Status::Corruption(std::move(message));
}

// What the names say of files that are not there, or "".
std::string DescribeWhatIsMissing(const DirectoryListing& listing, const std::vector<std::string>& leftovers) {
  std::vector<std::string> sentences;
  for (const MissingNumbers& set : FindMissingNumbers(listing.shards)) sentences.push_back(Describe(set));
  if (!leftovers.empty()) {
    sentences.push_back(fmt::format("a download has not come to its end ({}{} is left of it)", QuoteName(leftovers[0]),
                                    leftovers.size() == 1 ? "" : " and more"));
  }
  return fmt::format("{}", fmt::join(sentences, "; "));
}

}  // namespace

Result<std::shared_ptr<const SafetensorsDirectory>> SafetensorsDirectory::Open(const std::string& path) {
  try {
    const std::shared_ptr<SafetensorsDirectory> directory(new SafetensorsDirectory);
    SHARDFS_ASSIGN_OR_RETURN(directory->root_, SourceRoot::Open(path));
    const Status status = directory->Load();
    if (!status.ok()) return status.WithContext(fmt::format("source '{}'", directory->root_->path()));
    return std::shared_ptr<const SafetensorsDirectory>(directory);
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(fmt::format("no memory for the headers of '{}'", path));
  }
}

Status SafetensorsDirectory::Load() {
  DirectoryListing listing;
  if (root_->is_file()) {
    if (!IsShardName(root_->file())) {
      return Status::InvalidArgument(
          "it is neither a directory nor a weights file (*.safetensors); give the directory that holds the checkpoint");
    }
    listing.shards = {root_->file()};
    return LoadFiles(listing);
  }
  SHARDFS_ASSIGN_OR_RETURN(listing, ListDirectory(root_->descriptor()));
  if (listing.shards.empty() && listing.indices.empty() && listing.others.empty()) {
    return Status::IoError("the directory is empty; is the file system mounted that the checkpoint is to be on?");
  }
  if (listing.shards.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(const std::optional<std::string> snapshot, FindSnapshot(root_->path()));
    if (snapshot) {
      warnings_.push_back(fmt::format("{} is a Hugging Face cache; its only snapshot is taken, {}",
                                      QuoteName(root_->path()), QuoteName(*snapshot)));
      SHARDFS_ASSIGN_OR_RETURN(root_, SourceRoot::Open(*snapshot));
      SHARDFS_ASSIGN_OR_RETURN(listing, ListDirectory(root_->descriptor()));
    }
  }
  incomplete_ = DescribeWhatIsMissing(listing, FindDownloadLeftovers(root_->descriptor(), root_->path()));
  return ExplainRefusal(incomplete_, LoadFiles(listing));
}

Status SafetensorsDirectory::LoadFiles(DirectoryListing& listing) {
  Result<std::vector<NamedIndex>> indices_read = std::vector<NamedIndex>();
  Result<std::vector<Shard>> shards_read = std::vector<Shard>();
  // An index of a large checkpoint takes as long to parse as the headers, and one processor: so they go side by side.
  ParallelFor(2, [&](int part) {
    if (part == 0) {
      indices_read = ReadIndices(*root_, listing.indices);
    } else if (!listing.shards.empty()) {
      const Status reserved = ReserveDescriptors(listing.shards.size());
      shards_read = reserved.ok() ? ReadShards(*root_, listing.shards) : reserved;
    }
  });
  SHARDFS_ASSIGN_OR_RETURN(std::vector<NamedIndex> indices, std::move(indices_read));
  if (listing.shards.empty()) return NoShards(listing, indices);
  SHARDFS_ASSIGN_OR_RETURN(std::vector<Shard> shards, std::move(shards_read));
  SHARDFS_ASSIGN_OR_RETURN(std::vector<TensorInfo> tensors, MergeTensors(shards, indices));
  other_entries_ = std::move(listing.others);
  std::vector<std::shared_ptr<const FileSource>> files;
  for (Shard& shard : shards) {
    if (!shard.header.data_aligned) {
      warnings_.push_back(fmt::format("the data of {} begin at byte {}, which is not a multiple of 8",
                                      QuoteName(shard.file->name()), shard.header.data_offset));
    }
    files.push_back(std::move(shard.file));
    metadata_.push_back(std::move(shard.header.metadata));
  }
  sources_ = std::make_shared<const SourceSet>(std::vector{root_}, std::move(files));
  std::vector<CheckedIndex> checked;
  for (NamedIndex& one : indices) {
    checked.push_back(CheckIndex(std::move(one.name), std::move(one.index), tensors, listing.shards));
  }
  tensors_ = std::make_unique<const SafetensorsStateDict>(std::move(tensors));
  for (CheckedIndex& index : checked) {
    for (std::uint32_t& tensor : index.order) tensor = tensors_->IndexByName(tensor);
  }
  indices_ = std::make_shared<const std::vector<CheckedIndex>>(std::move(checked));
  return Status::Ok();
}

SafetensorsDirectory::SafetensorsDirectory() = default;
SafetensorsDirectory::~SafetensorsDirectory() = default;

const StateDict& SafetensorsDirectory::tensors() const { return *tensors_; }

StateDictPtr SafetensorsDirectory::StateDictOf(const std::shared_ptr<const SafetensorsDirectory>& directory) {
  return {directory, directory->tensors_.get()};
}

std::uint64_t SafetensorsDirectory::total_tensor_bytes() const {
  // Cannot overflow: each file's tensors lie within it, and files are smaller than 2^63 bytes by far.
  const auto specs = tensors_->specs();
  return std::accumulate(specs.begin(), specs.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const TensorSpec& spec) { return sum + BytesOf(spec); });
}

Status ExplainRefusal(const std::string& incomplete, const Status& status) {
  const bool is_about_content = status.code() == StatusCode::kCorruption || status.code() == StatusCode::kNotSupported;
  if (!is_about_content || incomplete.empty()) return status;
  return status.WithContext(fmt::format("the checkpoint is incomplete: {}; complete it first; as it is", incomplete));
}

}  // namespace shardfs
