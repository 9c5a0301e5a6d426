#include "shardfs/checkpoint/safetensors_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <numeric>
#include <optional>

#include "base/quote_name.h"
#include "checkpoint/checkpoint_index.h"
#include "source/descriptor_limit.h"
#include "checkpoint/directory_listing.h"
#include "checkpoint/download_leftovers.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/index_check.h"
#include "checkpoint/merge_tensors.h"
#include "checkpoint/recognise_source.h"
#include "checkpoint/shard_numbers.h"
#include "checkpoint/safetensors_state_dict.h"
#include "checkpoint/shard_reader.h"

namespace shardfs {
namespace {

// One is usual, two are a mistake that does no harm.
constexpr std::size_t kMaxIndices = 8;

Result<std::string> ResolveDirectory(const std::string& directory) {
  struct Free {
    void operator()(char* text) const { std::free(text); }
  };
  const std::unique_ptr<char, Free> path(::realpath(directory.c_str(), nullptr));
  if (path != nullptr) return std::string(path.get());
  if (errno == ENOENT && !directory.empty()) {
    return Status::IoError(fmt::format(
        "source '{}' does not exist; is its file system mounted? If it is, give the directory of the checkpoint",
        directory));
  }
  if (errno == ENOENT) return Status::InvalidArgument("the source is empty; give the directory of the checkpoint");
  if (errno == ENOTDIR)
    return Status::InvalidArgument(
        fmt::format("source '{}' is not a directory; give the directory that holds the checkpoint", directory));
  return Status::FromErrno(errno, fmt::format("cannot open source '{}'", directory));
}

Result<FileDescriptor> OpenDirectory(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid()) return fd;
  if (errno == ENOTDIR)
    return Status::InvalidArgument(
        fmt::format("source '{}' is not a directory; give the directory that holds the checkpoint", path));
  return Status::FromErrno(errno, fmt::format("cannot open source '{}'", path));
}

Result<std::string> ReadWhole(int directory_fd, const std::string& name, std::uint64_t limit) {
  SHARDFS_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file, FileSource::Open(directory_fd, name));
  if (file->size() > limit) {
    const ContentKind kind = RecogniseSource(*file);
    if (IsForeign(kind, ContentKind::kJson)) {
      return Status::Corruption(fmt::format("{} {}", QuoteName(name), DescribeContentKind(kind)));
    }
    return Status::NotSupported(fmt::format("{} has {} bytes, more than {}", QuoteName(name), file->size(), limit));
  }
  try {
    std::string text(file->size(), '\0');
    SHARDFS_RETURN_IF_ERROR(file->ReadAt(0, std::as_writable_bytes(std::span(text))));
    return text;
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(fmt::format("no memory for the {} bytes of {}", file->size(), QuoteName(name)));
  }
}

// `left`: the bytes that indices may still have; all together are bounded as one is.
Result<CheckpointIndex> ReadIndex(int directory_fd, const std::string& name, std::uint64_t& left) {
  const auto json = ReadWhole(directory_fd, name, left);
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

Result<std::vector<NamedIndex>> ReadIndices(int directory_fd, const std::vector<std::string>& names) {
  if (names.size() > kMaxIndices) {
    return Status::NotSupported(
        fmt::format("there are {} indices (*.safetensors.index.json), more than {}; remove those "
                    "that are about other files",
                    names.size(), kMaxIndices));
  }
  std::uint64_t left = kMaxIndexBytes;
  std::vector<NamedIndex> indices;
  for (const std::string& name : names) {
    SHARDFS_ASSIGN_OR_RETURN(CheckpointIndex index, ReadIndex(directory_fd, name, left));
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

Result<std::shared_ptr<const SafetensorsDirectory>> SafetensorsDirectory::Open(const std::string& directory) {
  try {
    const std::shared_ptr<SafetensorsDirectory> checkpoint(new SafetensorsDirectory);
    SHARDFS_ASSIGN_OR_RETURN(checkpoint->path_, ResolveDirectory(directory));
    SHARDFS_ASSIGN_OR_RETURN(checkpoint->directory_, OpenDirectory(checkpoint->path_));
    const Status status = checkpoint->Load();
    if (!status.ok()) return status.WithContext(fmt::format("source '{}'", checkpoint->path_));
    return std::shared_ptr<const SafetensorsDirectory>(checkpoint);
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(fmt::format("no memory for the headers of '{}'", directory));
  }
}

Status SafetensorsDirectory::Load() {
  SHARDFS_ASSIGN_OR_RETURN(DirectoryListing listing, ListDirectory(directory_.get()));
  if (listing.shards.empty() && listing.indices.empty() && listing.others.empty()) {
    return Status::IoError("the directory is empty; is the file system mounted that the checkpoint is to be on?");
  }
  if (listing.shards.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(const std::optional<std::string> snapshot, FindSnapshot(path_));
    if (snapshot) {
      warnings_.push_back(fmt::format("{} is a Hugging Face cache; its only snapshot is taken, {}", QuoteName(path_),
                                      QuoteName(*snapshot)));
      path_ = *snapshot;
      SHARDFS_ASSIGN_OR_RETURN(directory_, OpenDirectory(path_));
      SHARDFS_ASSIGN_OR_RETURN(listing, ListDirectory(directory_.get()));
    }
  }
  incomplete_ = DescribeWhatIsMissing(listing, FindDownloadLeftovers(directory_.get(), path_));
  return ExplainRefusal(LoadFiles(listing));
}

Status SafetensorsDirectory::LoadFiles(DirectoryListing& listing) {
  SHARDFS_ASSIGN_OR_RETURN(std::vector<NamedIndex> indices, ReadIndices(directory_.get(), listing.indices));
  if (listing.shards.empty()) return NoShards(listing, indices);
  SHARDFS_RETURN_IF_ERROR(ReserveDescriptors(listing.shards.size()));
  SHARDFS_ASSIGN_OR_RETURN(std::vector<Shard> shards, ReadShards(directory_.get(), listing.shards));
  SHARDFS_ASSIGN_OR_RETURN(std::vector<TensorInfo> tensors, MergeTensors(shards, indices));
  other_entries_ = std::move(listing.others);
  for (Shard& shard : shards) {
    if (!shard.header.data_aligned) {
      warnings_.push_back(fmt::format("the data of {} begin at byte {}, which is not a multiple of 8",
                                      QuoteName(shard.file->name()), shard.header.data_offset));
    }
    files_.push_back(std::move(shard.file));
  }
  for (NamedIndex& one : indices) {
    indices_.push_back(CheckIndex(std::move(one.name), std::move(one.index), tensors, listing.shards));
  }
  tensors_ = std::make_unique<const SafetensorsStateDict>(std::move(tensors));
  for (CheckedIndex& index : indices_) {
    for (std::uint32_t& tensor : index.order) tensor = tensors_->IndexByName(tensor);
  }
  return Status::Ok();
}

Status SafetensorsDirectory::ExplainRefusal(const Status& status) const {
  const bool is_about_content = status.code() == StatusCode::kCorruption || status.code() == StatusCode::kNotSupported;
  if (!is_about_content || incomplete_.empty()) return status;
  return status.WithContext(fmt::format("the checkpoint is incomplete: {}; complete it first; as it is", incomplete_));
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

Result<std::string> SafetensorsDirectory::ReadTextFile(const std::string& name, std::uint64_t limit) const {
  return ReadWhole(directory_.get(), name, limit);
}

Result<std::unique_ptr<FileSource>> SafetensorsDirectory::OpenFile(const std::string& name) const {
  return FileSource::Open(directory_.get(), name);
}

Status SafetensorsDirectory::CheckPath() const {
  struct stat opened = {};
  struct stat named = {};
  if (::fstat(directory_.get(), &opened) != 0) return Status::Ok();
  const char* what = "replaced";
  if (::stat(path_.c_str(), &named) != 0) {
    if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) return Status::Ok();
    what = "moved away or deleted";
  } else if (named.st_dev == opened.st_dev && named.st_ino == opened.st_ino) {
    return Status::Ok();
  }
  return Status::SourceChanged(
      fmt::format("source directory {} has been {} since it was opened; its old files are shown until the unmount",
                  QuoteName(path_), what));
}

}  // namespace shardfs
