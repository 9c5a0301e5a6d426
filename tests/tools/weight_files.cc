// Groups the pieces of all tensors by file, and writes the files from several threads. A piece is written as ranges of
// its tensor: the whole tensor, or its stamps where the rest is holes. A slice of axis k is one run of bytes for each
// index of the axes before k, at a constant stride; of each range, the parts within the runs are written.
#include "tools/weight_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

namespace shardfs::tools {
namespace {

constexpr std::size_t kChunkBytes = 1u << 20;

// A slice in bytes: of each `stride` bytes of the tensor, [begin, begin + run).
struct Runs {
  std::uint64_t stride = 0;
  std::uint64_t begin = 0;
  std::uint64_t run = 0;
};

struct WeightFile {
  std::string name;
  std::vector<NewTensor> tensors;  // as the file has them
  std::vector<ContentKey> keys;    // of the tensors that they are pieces of
  std::vector<Runs> runs;
};

Runs RunsOf(const NewTensor& tensor, const std::optional<Slice>& slice) {
  if (!slice) return {SizeOf(tensor), 0, SizeOf(tensor)};
  std::uint64_t inner = DtypeBytes(tensor.dtype);
  for (std::size_t axis = slice->axis + 1; axis < tensor.shape.size(); ++axis) inner *= tensor.shape[axis];
  return {tensor.shape[slice->axis] * inner, slice->begin * inner, (slice->end - slice->begin) * inner};
}

Result<NewTensor> StoredTensor(const NewTensor& tensor, const Piece& piece) {
  NewTensor stored{piece.name, tensor.dtype, tensor.shape};
  if (!piece.slice) return stored;
  const auto& [axis, begin, end] = *piece.slice;
  if (axis >= tensor.shape.size() || begin >= end || end > tensor.shape[axis]) {
    return Status::InvalidArgument(fmt::format("{} is placed with [{}, {}) of axis {}, and {} is {}", piece.name, begin,
                                               end, axis, tensor.name, ShapeToString(tensor.shape)));
  }
  stored.shape[axis] = end - begin;
  return stored;
}

Result<std::vector<WeightFile>> FilesOf(const std::vector<NewTensor>& tensors, const Placement& placement,
                                        const ContentOptions& content) {
  std::vector<WeightFile> files;
  std::map<std::string, std::size_t, std::less<>> numbers;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const NewTensor& tensor = tensors[i];
    for (const Piece& piece : placement.PiecesOf(i)) {
      SHARDFS_ASSIGN_OR_RETURN(NewTensor stored, StoredTensor(tensor, piece));
      const auto [number, added] = numbers.try_emplace(piece.file, files.size());
      if (added) files.push_back({piece.file, {}, {}, {}});
      WeightFile& file = files[number->second];
      file.tensors.push_back(std::move(stored));
      file.keys.push_back({tensor.name, tensor.dtype, SizeOf(tensor), content.seed, content.offsets});
      file.runs.push_back(RunsOf(tensor, piece.slice));
    }
  }
  return files;
}

}  // namespace

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

namespace {

// A file that is open for writing, and a buffer for what goes into it.
struct Output {
  int fd = -1;
  const std::string& path;
  std::span<std::byte> chunk;
};

// Writes bytes [begin, end) of a tensor's content at `file_offset`.
Status WriteContent(const Output& output, const ContentKey& key, Fill fill, std::uint64_t begin, std::uint64_t end,
                    std::uint64_t file_offset) {
  while (begin < end) {
    const auto part = output.chunk.first(std::min<std::uint64_t>(output.chunk.size(), end - begin));
    ExpectedBytes(key, fill, begin, part);
    SHARDFS_RETURN_IF_ERROR(WriteAll(output.fd, output.path, file_offset, part));
    begin += part.size();
    file_offset += part.size();
  }
  return Status::Ok();
}

// Writes those bytes of a piece that are not a hole; `file_offset` is where the piece begins in the file.
Status WritePiece(const Output& output, const ContentKey& key, Fill fill, const Runs& runs, std::uint64_t file_offset) {
  const auto ranges = fill == Fill::kDense ? std::vector<StampRange>{{0, key.size}} : StampsOf(key);
  for (const auto& [offset, size] : ranges) {
    if (size == 0) continue;
    for (std::uint64_t i = offset / runs.stride; i <= (offset + size - 1) / runs.stride; ++i) {
      const std::uint64_t run = i * runs.stride + runs.begin;
      const std::uint64_t begin = std::max(run, offset);
      const std::uint64_t end = std::min(run + runs.run, offset + size);
      if (begin >= end) continue;
      const std::uint64_t at = file_offset + i * runs.run + (begin - run);
      SHARDFS_RETURN_IF_ERROR(WriteContent(output, key, fill, begin, end, at));
    }
  }
  return Status::Ok();
}

// Writes one file of weights; returns its size and the bytes that it occupies.
Result<std::pair<std::uint64_t, std::uint64_t>> WriteWeightFile(const std::string& path, const WeightFile& file,
                                                                Fill fill, std::span<std::byte> chunk) {
  SHARDFS_ASSIGN_OR_RETURN(const SerializedHeader header, SerializeHeader(file.tensors));
  SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor fd, CreateFile(path));
  SHARDFS_RETURN_IF_ERROR(WriteAll(fd.get(), path, 0, std::as_bytes(std::span(header.bytes))));
  if (::ftruncate(fd.get(), static_cast<off_t>(header.file_size)) != 0) {
    return Status::FromErrno(errno, fmt::format("cannot extend {} to {} bytes", path, header.file_size));
  }
  const Output output{fd.get(), path, chunk};
  for (std::size_t i = 0; i < header.order.size(); ++i) {
    const std::size_t piece = header.order[i];
    SHARDFS_RETURN_IF_ERROR(WritePiece(output, file.keys[piece], fill, file.runs[piece], header.offsets[i]));
  }
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return Status::FromErrno(errno, "cannot examine " + path);
  return std::pair(header.file_size, static_cast<std::uint64_t>(info.st_blocks) * 512);
}

Status MakeFolders(const std::filesystem::path& directory, const std::vector<WeightFile>& files) {
  for (const WeightFile& file : files) {
    const auto folder = (directory / file.name).parent_path();
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return Status::FromErrno(error.value(), "cannot make the directory " + folder.string());
  }
  return Status::Ok();
}

}  // namespace

// As many threads as there are processors; the first error stops the others.
Result<CheckpointSummary> WriteWeightFiles(const std::filesystem::path& directory,
                                           const std::vector<NewTensor>& tensors, const Placement& placement,
                                           const ContentOptions& content) {
  SHARDFS_ASSIGN_OR_RETURN(const auto files, FilesOf(tensors, placement, content));
  SHARDFS_RETURN_IF_ERROR(MakeFolders(directory, files));
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // guards the two below
  CheckpointSummary summary;
  Status failure;
  const auto work = [&] {
    std::vector<std::byte> chunk(kChunkBytes);
    for (std::size_t i = next++; i < files.size(); i = next++) {
      const auto sizes = WriteWeightFile(directory / files[i].name, files[i], content.fill, chunk);
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

Status WriteTextFile(const std::string& path, std::string_view content) {
  SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor fd, CreateFile(path));
  return WriteAll(fd.get(), path, 0, std::as_bytes(std::span(content)));
}

}  // namespace shardfs::tools
