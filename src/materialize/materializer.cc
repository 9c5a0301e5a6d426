#include "shardfs/materialize/materializer.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "materialize/output_tree.h"
#include "materialize/parallel_tasks.h"
#include "materialize/piece_schedule.h"
#include "materialize/read_ahead.h"
#include "materialize/source_release.h"

namespace shardfs {
namespace {

// What a worker gathers before it writes: at least so much that system calls do not count, at most a piece. In between,
// the destination's own block size: a filesystem of huge pages wants them whole, any other the bytes still in the L2
// cache.
constexpr std::size_t kLeastChunk = std::size_t{256} << 10;
constexpr std::size_t kPageBytes = 4096;

// A worker's buffer, at a page boundary.
class CopyBuffer {
 public:
  CopyBuffer() : bytes_(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, kBlockBytes))) {
    if (bytes_ == nullptr) throw std::bad_alloc();
  }
  std::span<std::byte> Get() const { return {bytes_.get(), kBlockBytes}; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
};

Status WriteAll(int fd, std::uint64_t offset, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return Status::FromErrno(errno, fmt::format("cannot write '{}'", path));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return Status::Ok();
}

// Writes the pieces of one plan. Run() may be called on any number of threads at once.
class PieceWriter {
 public:
  PieceWriter(const MaterializePlan& plan, const MaterializeOptions& options, OutputTree& output,
              MaterializeProgress& progress)
      : plan_(plan),
        output_(output),
        progress_(progress),
        schedule_(PiecesInSourceOrder(plan.files(), std::vector<bool>(plan.files().size(), true)), plan.files().size()),
        blocks_left_(plan.files().size()),
        read_ahead_(plan.files(), schedule_, options.io_depth) {
    for (std::size_t i = 0; i < blocks_left_.size(); ++i) blocks_left_[i] = BlockCount(plan.files()[i].file->size());
    if (options.drop_source_cache) release_.emplace(plan.files(), schedule_.pieces());
  }

  // Writes pieces until there is none to take.
  Status Run(const std::stop_token& stop) {
    const CopyBuffer buffer;
    while (const auto index = schedule_.Take()) {
      if (stop.stop_requested()) return Status::Cancelled("cancelled");
      read_ahead_.Advance(*index);
      SHARDFS_RETURN_IF_ERROR(Write(schedule_.piece(*index), buffer.Get(), stop));
      schedule_.Return(*index);
    }
    return Status::Ok();
  }

 private:
  Status Write(const Piece& piece, std::span<std::byte> buffer, const std::stop_token& stop) {
    progress_.current_file.store(piece.file, std::memory_order_relaxed);
    SHARDFS_ASSIGN_OR_RETURN(const int fd, output_.OpenFile(piece.file));
    SHARDFS_RETURN_IF_ERROR(Copy(piece, fd, buffer, stop));
    if (release_) release_->Written(piece);
    // Only the file's one writer counts: the next one has it from the schedule.
    if (--blocks_left_[piece.file] > 0) {
      output_.ParkFile(piece.file);
      return Status::Ok();
    }
    SHARDFS_RETURN_IF_ERROR(output_.FinishFile(piece.file));
    progress_.files_done.fetch_add(1, std::memory_order_relaxed);
    return Status::Ok();
  }

  Status Copy(const Piece& piece, int fd, std::span<std::byte> buffer, const std::stop_token& stop) {
    const PlannedFile& planned = plan_.files()[piece.file];
    const std::uint64_t end = piece.begin() + PieceBytes(piece, planned.file->size());
    buffer = buffer.first(ChunkBytes(fd));
    for (std::uint64_t offset = piece.begin(); offset < end;) {
      if (stop.stop_requested()) return Status::Cancelled("cancelled");
      const auto chunk = buffer.first(std::min<std::uint64_t>(buffer.size(), end - offset));
      if (Status status = planned.file->ReadAt(offset, chunk); !status.ok()) {
        return status.WithContext(fmt::format("'{}', bytes {} to {}", planned.path, offset, offset + chunk.size()));
      }
      SHARDFS_RETURN_IF_ERROR(WriteAll(fd, offset, chunk, output_.FullPath(planned.path)));
      offset += chunk.size();
      progress_.bytes_done.fetch_add(chunk.size(), std::memory_order_relaxed);
    }
    return Status::Ok();
  }

  // All files are on one filesystem: the first one asked says it for all.
  std::size_t ChunkBytes(int fd) {
    std::size_t chunk = chunk_bytes_.load(std::memory_order_relaxed);
    if (chunk != 0) return chunk;
    struct stat info {};
    const std::size_t preferred = ::fstat(fd, &info) == 0 ? static_cast<std::size_t>(info.st_blksize) : 0;
    chunk = std::clamp<std::size_t>(std::bit_ceil(preferred), kLeastChunk, kBlockBytes);
    chunk_bytes_.store(chunk, std::memory_order_relaxed);
    return chunk;
  }

  const MaterializePlan& plan_;
  OutputTree& output_;
  MaterializeProgress& progress_;
  PieceSchedule schedule_;
  std::vector<std::uint32_t> blocks_left_;  // by file; belongs to the file's writer
  std::optional<SourceRelease> release_;
  std::atomic<std::size_t> chunk_bytes_{0};  // 0 until the first file is open
  ReadAhead read_ahead_;                     // last: its threads use what is above
};

Status WriteTree(const MaterializePlan& plan, const MaterializeOptions& options, OutputTree& output,
                 MaterializeProgress& progress, const std::stop_token& cancel) {
  SHARDFS_RETURN_IF_ERROR(output.MakeDirectories());
  PieceWriter writer(plan, options, output, progress);
  // A file has one writer at a time.
  const std::size_t workers = std::min(WorkerCount(options.threads), plan.files().size());
  SHARDFS_RETURN_IF_ERROR(RunTasks(workers, options.threads, cancel,
                                   [&writer](std::size_t, const std::stop_token& stop) { return writer.Run(stop); }));
  return output.Finish();
}

// Removes what a run that ended with `status` wrote, and says so.
Status Undo(const MaterializePlan& plan, OutputTree& output, const Status& status) {
  const Status undone = output.Rollback();
  if (!undone.ok()) {
    return status.WithContext(
        fmt::format("'{}' is incomplete and must not be used ({}; remove it)", plan.destination(), undone.message()));
  }
  if (status.code() == StatusCode::kCancelled) {
    return Status::Cancelled(
        fmt::format("materializing to '{}' was cancelled, and what it wrote was removed", plan.destination()));
  }
  return status.WithContext(
      fmt::format("materializing to '{}' failed, and what it wrote was removed", plan.destination()));
}

}  // namespace

Result<MaterializeSummary> Materialize(const MaterializePlan& plan, const MaterializeOptions& options,
                                       MaterializeProgress& progress, std::stop_token cancel) {
  const auto start = std::chrono::steady_clock::now();
  OutputTree output(plan, options);
  const Status status = WriteTree(plan, options, output, progress, cancel);
  if (!status.ok()) return Undo(plan, output, status);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return MaterializeSummary{plan.files().size(), plan.directories().size(), plan.total_bytes(), elapsed.count()};
}

}  // namespace shardfs
