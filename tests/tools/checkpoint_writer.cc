#include "tools/checkpoint_writer.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

#include "shardfs/base/file_descriptor.h"
#include "tools/deepseek_config.h"

namespace shardfs::tools {
namespace {

constexpr std::size_t kChunkBytes = 1u << 20;

struct WeightFile {
  std::string name;
  std::vector<NewTensor> tensors;
};

std::uint64_t SizeOf(const NewTensor& tensor) {
  std::uint64_t size = DtypeBytes(tensor.dtype);
  for (const std::uint64_t axis : tensor.shape) size *= axis;
  return size;
}

std::uint64_t SizeOf(const std::vector<NewTensor>& tensors) {
  std::uint64_t size = 0;
  for (const NewTensor& tensor : tensors) size += SizeOf(tensor);
  return size;
}

// Cuts the list into runs, one to a file.
std::vector<WeightFile> Split(const CheckpointOptions& options, const std::vector<NewTensor>& tensors) {
  const std::uint64_t wanted = std::min<std::uint64_t>(options.files, tensors.size());
  const std::uint64_t total = SizeOf(tensors);
  std::vector<WeightFile> files(1);
  std::uint64_t done = 0;     // bytes in all files
  std::uint64_t current = 0;  // bytes in the last one
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t size = SizeOf(tensors[i]);
    bool next = options.max_file_bytes > 0 && current + size > options.max_file_bytes;
    if (wanted > 0) {
      const std::uint64_t missing = wanted - files.size();
      // At the file's share of the whole, and in time to leave a tensor for each file that is still missing.
      next = missing > 0 && (done >= total / wanted * files.size() || tensors.size() - i <= missing);
    }
    if (next && !files.back().tensors.empty()) {
      files.emplace_back();
      current = 0;
    }
    files.back().tensors.push_back(tensors[i]);
    current += size;
    done += size;
  }
  const std::string prefix = WeightFilePrefix(options.quantisation.kind);
  for (std::size_t i = 0; i < files.size(); ++i) {
    files[i].name = fmt::format("{}-{:05}-of-{:05}.safetensors", prefix, i + 1, files.size());
  }
  return files;
}

Status WriteAll(int fd, const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Status::FromErrno(errno, "cannot write " + path);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return Status::Ok();
}

Result<FileDescriptor> CreateFile(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return Status::FromErrno(errno, "cannot create " + path);
  return fd;
}

Status WriteTextFile(const std::string& path, std::string_view content) {
  SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor fd, CreateFile(path));
  return WriteAll(fd.get(), path, 0, std::as_bytes(std::span(content)));
}

// Writes those bytes of a tensor that are not a hole; `file_offset` is where the tensor begins in the file.
Status WriteTensor(int fd, const std::string& path, std::uint64_t file_offset, const ContentKey& key, Fill fill,
                   std::span<std::byte> chunk) {
  std::vector<StampRange> ranges;
  if (fill == Fill::kDense) {
    ranges.push_back({0, key.size});
  } else {
    ranges = StampsOf(key);
  }
  for (const auto& [begin, size] : ranges) {
    for (std::uint64_t done = 0; done < size; done += chunk.size()) {
      const std::span<std::byte> part = chunk.first(std::min<std::uint64_t>(chunk.size(), size - done));
      ExpectedBytes(key, fill, begin + done, part);
      SHARDFS_RETURN_IF_ERROR(WriteAll(fd, path, file_offset + begin + done, part));
    }
  }
  return Status::Ok();
}

// Writes one file of weights; returns the bytes that it occupies.
Result<std::pair<std::uint64_t, std::uint64_t>> WriteWeightFile(const std::string& path, const WeightFile& file,
                                                                const CheckpointOptions& options,
                                                                std::span<std::byte> chunk) {
  SHARDFS_ASSIGN_OR_RETURN(const SerializedHeader header, SerializeHeader(file.tensors));
  SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor fd, CreateFile(path));
  SHARDFS_RETURN_IF_ERROR(WriteAll(fd.get(), path, 0, std::as_bytes(std::span(header.bytes))));
  if (::ftruncate(fd.get(), static_cast<off_t>(header.file_size)) != 0) {
    return Status::FromErrno(errno, fmt::format("cannot extend {} to {} bytes", path, header.file_size));
  }
  for (std::size_t i = 0; i < header.order.size(); ++i) {
    const NewTensor& tensor = file.tensors[header.order[i]];
    const ContentKey key{tensor.name, tensor.dtype, SizeOf(tensor), options.seed, options.offsets};
    SHARDFS_RETURN_IF_ERROR(WriteTensor(fd.get(), path, header.offsets[i], key, options.fill, chunk));
  }
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return Status::FromErrno(errno, "cannot examine " + path);
  return std::pair(header.file_size, static_cast<std::uint64_t>(info.st_blocks) * 512);
}

// All weight files, by as many threads as there are processors; the first error stops the others.
Result<CheckpointSummary> WriteWeightFiles(const std::filesystem::path& directory, const CheckpointOptions& options,
                                           const std::vector<WeightFile>& files) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // guards the two below
  CheckpointSummary summary;
  Status failure;
  const auto work = [&] {
    std::vector<std::byte> chunk(kChunkBytes);
    for (std::size_t i = next++; i < files.size(); i = next++) {
      const auto sizes = WriteWeightFile(directory / files[i].name, files[i], options, chunk);
      const std::lock_guard lock(mutex);
      if (!sizes.ok()) {
        failure = sizes.status();
        next = files.size();
        return;
      }
      summary.files += 1;
      summary.tensors += files[i].tensors.size();
      summary.apparent_bytes += sizes->first;
      summary.disk_bytes += sizes->second;
    }
  };
  std::vector<std::jthread> threads;
  const std::size_t count = std::min<std::size_t>(files.size(), std::max(1u, std::thread::hardware_concurrency()));
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back(work);
  threads.clear();  // joins them
  if (!failure.ok()) return failure;
  return summary;
}

std::vector<std::string_view> NamesOf(const std::vector<WeightFile>& files) {
  std::vector<std::string_view> names;
  for (const WeightFile& file : files) {
    for (const NewTensor& tensor : file.tensors) names.push_back(tensor.name);
  }
  return names;
}

std::string IndexOf(const std::vector<WeightFile>& files) {
  std::vector<std::pair<std::string_view, std::string_view>> weight_map;
  std::uint64_t total_size = 0;
  for (const WeightFile& file : files) {
    for (const NewTensor& tensor : file.tensors) weight_map.emplace_back(tensor.name, file.name);
    total_size += SizeOf(file.tensors);
  }
  return IndexJson(weight_map, total_size);
}

Status PrepareDirectory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Status::FromErrno(error.value(), "cannot make the directory " + directory.string());
  const bool empty = std::filesystem::is_empty(directory, error);
  if (error) return Status::FromErrno(error.value(), "cannot list the directory " + directory.string());
  if (!empty) {
    return Status::InvalidArgument("the directory " + directory.string() + " is not empty: give an empty or new one");
  }
  return Status::Ok();
}

Result<CheckpointSummary> WriteInto(const std::filesystem::path& directory, const CheckpointOptions& options,
                                    const std::vector<WeightFile>& files) {
  SHARDFS_ASSIGN_OR_RETURN(const CheckpointSummary summary, WriteWeightFiles(directory, options, files));
  for (const TextFile& file : CompanionFiles(options.shape)) {
    SHARDFS_RETURN_IF_ERROR(WriteTextFile(directory / file.name, file.content));
  }
  const Quantisation& quantisation = options.quantisation;
  const std::string index = WeightFilePrefix(quantisation.kind) + ".safetensors.index.json";
  SHARDFS_RETURN_IF_ERROR(WriteTextFile(directory / index, IndexOf(files)));
  if (quantisation.kind != CheckpointKind::kFloat) {
    SHARDFS_RETURN_IF_ERROR(WriteTextFile(directory / DescriptionFileName(quantisation),
                                          DescriptionJson(options.shape, quantisation, NamesOf(files))));
  }
  SHARDFS_RETURN_IF_ERROR(WriteTextFile(directory / "config.json", ConfigJson(options.shape, quantisation)));
  return summary;
}

}  // namespace

Result<CheckpointSummary> WriteCheckpoint(const std::string& directory, const CheckpointOptions& options,
                                          const std::vector<NewTensor>& tensors) {
  if (options.files > 0 && options.max_file_bytes > 0) {
    return Status::InvalidArgument("both a number of files and a largest file size are given: give one");
  }
  SHARDFS_RETURN_IF_ERROR(ValidateShape(options.shape));
  SHARDFS_RETURN_IF_ERROR(ValidateQuantisation(options.quantisation, options.shape));
  SHARDFS_RETURN_IF_ERROR(PrepareDirectory(directory));
  auto summary = WriteInto(directory, options, Split(options, tensors));
  if (!summary.ok()) {
    std::error_code ignored;  // the failure that matters is the one at hand
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
  return summary;
}

Result<CheckpointSummary> WriteCheckpoint(const std::string& directory, const CheckpointOptions& options) {
  SHARDFS_RETURN_IF_ERROR(ValidateShape(options.shape));  // before its sizes are multiplied
  SHARDFS_RETURN_IF_ERROR(ValidateQuantisation(options.quantisation, options.shape));
  return WriteCheckpoint(directory, options, CheckpointTensors(options.shape, options.quantisation));
}

}  // namespace shardfs::tools
