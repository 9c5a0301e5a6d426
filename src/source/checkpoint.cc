#include "shardfs/source/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <numeric>

#include "base/parallel.h"
#include "safetensors/quote_name.h"
#include "source/checkpoint_index.h"
#include "source/defect_list.h"
#include "source/descriptor_limit.h"
#include "source/directory_listing.h"
#include "source/shard_reader.h"

namespace shardfs {
namespace {

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

// The index of the listing, or one of no entries.
Result<CheckpointIndex> ReadIndex(int directory_fd, const DirectoryListing& listing) {
  if (listing.indices.empty()) return CheckpointIndex{};
  if (listing.indices.size() > 1) {
    return Status::Corruption(fmt::format("there are two indices, {} and {}, where one is allowed; remove one",
                                          QuoteName(listing.indices[0]), QuoteName(listing.indices[1])));
  }
  const std::string& name = listing.indices.front();
  const auto json = ReadWhole(directory_fd, name, kMaxIndexBytes);
  if (json.status().code() == StatusCode::kNotFound) {  // it was in the listing a moment ago
    return Status::Corruption(std::string(json.status().message()));
  }
  SHARDFS_RETURN_IF_ERROR(json.status());
  SHARDFS_ASSIGN_OR_RETURN(CheckpointIndex index, ParseCheckpointIndex(*json, name));
  DefectList missing;
  for (const std::string& file : index.files) {
    if (!std::binary_search(listing.shards.begin(), listing.shards.end(), file)) {
      missing.Add(fmt::format("{} names {}, which is missing", QuoteName(name), QuoteName(file)));
    }
  }
  SHARDFS_RETURN_IF_ERROR(missing.ToStatus());
  return index;
}

// The tensors of all shards, ascending by name, or those that stand in two of them.
Result<std::vector<TensorInfo>> MergeTensors(std::vector<Shard>& shards) {
  std::vector<TensorInfo> tensors;
  tensors.reserve(
      std::accumulate(shards.begin(), shards.end(), std::size_t{0},
                      [](std::size_t sum, const Shard& shard) { return sum + shard.header.tensors.size(); }));
  for (Shard& shard : shards) {
    for (HeaderTensor& tensor : shard.header.tensors) {
      tensors.push_back({std::move(tensor.name), tensor.dtype, std::move(tensor.shape), shard.file.get(),
                         shard.header.data_offset + tensor.begin, tensor.end - tensor.begin});
    }
    shard.header.tensors = {};
  }
  ParallelSort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    if (const int order = a.name.compare(b.name); order != 0) return order < 0;
    return a.source->name() < b.source->name();
  });
  DefectList twice;
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i].name != tensors[i - 1].name) continue;
    twice.Add(fmt::format("tensor {} stands in {} and in {}", QuoteName(tensors[i].name),
                          QuoteName(tensors[i - 1].source->name()), QuoteName(tensors[i].source->name())));
  }
  SHARDFS_RETURN_IF_ERROR(twice.ToStatus());
  return tensors;
}

// Whether the headers bear out the index; how many tensors it does not map goes into `unmapped`, one of them by name.
Status CheckIndex(const CheckpointIndex& index, std::span<const TensorInfo> tensors, std::size_t& unmapped,
                  std::string& example) {
  DefectList defects;
  auto tensor = tensors.begin();
  const auto pass_over = [&] {
    if (unmapped++ == 0) example = tensor->name;
    ++tensor;
  };
  for (const auto& entry : index.weight_map) {  // both ascend by name: one pass over both
    while (tensor != tensors.end() && tensor->name < entry.tensor) pass_over();
    const std::string& file = index.files[entry.file];
    if (tensor == tensors.end() || tensor->name != entry.tensor) {
      defects.Add(fmt::format("tensor {} is mapped to {} by the index, but is in no file's header",
                              QuoteName(entry.tensor), QuoteName(file)));
      continue;
    }
    if (tensor->source->name() != file) {
      defects.Add(fmt::format("tensor {} is mapped to {} by the index, but is in the header of {}",
                              QuoteName(entry.tensor), QuoteName(file), QuoteName(tensor->source->name())));
    }
    ++tensor;
  }
  while (tensor != tensors.end()) pass_over();
  return defects.ToStatus();
}

}  // namespace

Result<std::shared_ptr<const Checkpoint>> Checkpoint::Open(const std::string& directory) {
  try {
    SHARDFS_ASSIGN_OR_RETURN(std::string path, ResolveDirectory(directory));
    SHARDFS_ASSIGN_OR_RETURN(FileDescriptor fd, OpenDirectory(path));
    const std::shared_ptr<Checkpoint> checkpoint(new Checkpoint);
    checkpoint->path_ = std::move(path);
    checkpoint->directory_ = std::move(fd);
    const Status status = checkpoint->Load();
    if (!status.ok()) return status.WithContext(fmt::format("source '{}'", checkpoint->path_));
    return std::shared_ptr<const Checkpoint>(checkpoint);
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(fmt::format("no memory for the headers of '{}'", directory));
  }
}

Status Checkpoint::Load() {
  SHARDFS_ASSIGN_OR_RETURN(DirectoryListing listing, ListDirectory(directory_.get()));
  if (listing.shards.empty() && listing.indices.empty() && listing.others.empty()) {
    return Status::IoError("the directory is empty; is the file system mounted that the checkpoint is to be on?");
  }
  SHARDFS_ASSIGN_OR_RETURN(const CheckpointIndex index, ReadIndex(directory_.get(), listing));
  if (listing.shards.empty()) return Status::Corruption("there is no *.safetensors file in the directory");
  SHARDFS_RETURN_IF_ERROR(ReserveDescriptors(listing.shards.size()));
  SHARDFS_ASSIGN_OR_RETURN(std::vector<Shard> shards, ReadShards(directory_.get(), listing.shards));
  SHARDFS_ASSIGN_OR_RETURN(tensors_, MergeTensors(shards));
  other_entries_ = std::move(listing.others);
  for (Shard& shard : shards) {
    if (!shard.header.data_aligned) {
      warnings_.push_back(fmt::format("the data of {} begin at byte {}, which is not a multiple of 8",
                                      QuoteName(shard.file->name()), shard.header.data_offset));
    }
    files_.push_back(std::move(shard.file));
  }
  if (listing.indices.empty()) return Status::Ok();

  std::size_t unmapped = 0;
  std::string example;
  SHARDFS_RETURN_IF_ERROR(CheckIndex(index, tensors_, unmapped, example));
  if (unmapped != 0) {
    warnings_.push_back(fmt::format("{} does not map {} tensors that the files hold, {} among them",
                                    QuoteName(listing.indices.front()), unmapped, QuoteName(example)));
  }
  return Status::Ok();
}

const TensorInfo* Checkpoint::Find(std::string_view name) const {
  const auto found = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                      [](const TensorInfo& tensor, std::string_view key) { return tensor.name < key; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

std::uint64_t Checkpoint::total_tensor_bytes() const {
  // Cannot overflow: each file's tensors lie within it, and files are smaller than 2^63 bytes by far.
  return std::accumulate(tensors_.begin(), tensors_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const TensorInfo& tensor) { return sum + tensor.size; });
}

Result<std::string> Checkpoint::ReadTextFile(const std::string& name, std::uint64_t limit) const {
  return ReadWhole(directory_.get(), name, limit);
}

Result<std::unique_ptr<FileSource>> Checkpoint::OpenFile(const std::string& name) const {
  return FileSource::Open(directory_.get(), name);
}

Status Checkpoint::CheckPath() const {
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
