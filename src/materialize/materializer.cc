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

#include "base/parallel_tasks.h"
#include "materialize/digest_check.h"
#include "materialize/journal.h"
#include "materialize/output_tree.h"
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
        schedule_(PiecesInSourceOrder(plan.files(), FilesToWrite(output)), plan.files().size()),
        files_(plan.files().size()),
        read_ahead_(plan.files(), schedule_, options.io_depth) {
    if (options.drop_source_cache) release_.emplace(plan.files(), schedule_.pieces());
  }

  // Writes pieces until there is none to take.
  Status Run(const std::stop_token& stop) {
    const CopyBuffer buffer;
    DigestStream digest;
    while (const auto index = schedule_.Take()) {
      if (stop.stop_requested()) return Status::Cancelled("cancelled");
      read_ahead_.Advance(*index);
      SHARDFS_RETURN_IF_ERROR(Write(schedule_.piece(*index), buffer.Get(), digest, stop));
      schedule_.Return(*index);
    }
    return Status::Ok();
  }

 private:
  // A file in work; belongs to its writer, who has it from the one before by way of the schedule.
  struct File {
    std::vector<FileDigest> blocks;  // empty until it is begun
    std::uint32_t blocks_done = 0;
  };

  static std::vector<bool> FilesToWrite(const OutputTree& output) {
    std::vector<bool> wanted;
    for (const auto& digest : output.digests()) wanted.push_back(!digest);
    return wanted;
  }

  Status Write(const Piece& piece, std::span<std::byte> buffer, DigestStream& digest, const std::stop_token& stop) {
    progress_.current_file.store(piece.file, std::memory_order_relaxed);
    SHARDFS_ASSIGN_OR_RETURN(const int fd, output_.OpenFile(piece.file));
    SHARDFS_RETURN_IF_ERROR(Copy(piece, fd, buffer, digest, stop));
    if (release_) release_->Written(piece);
    File& file = files_[piece.file];
    if (file.blocks.empty()) file.blocks.resize(BlockCount(plan_.files()[piece.file].file->size()));
    file.blocks[piece.block] = digest.Finish();
    if (++file.blocks_done < file.blocks.size()) {
      output_.ParkFile(piece.file);
      return Status::Ok();
    }
    SHARDFS_RETURN_IF_ERROR(output_.FinishFile(piece.file, FileDigest::OfBlocks(file.blocks)));
    file = File();
    progress_.files_done.fetch_add(1, std::memory_order_relaxed);
    return Status::Ok();
  }

  Status Copy(const Piece& piece, int fd, std::span<std::byte> buffer, DigestStream& digest,
              const std::stop_token& stop) {
    const PlannedFile& planned = plan_.files()[piece.file];
    const std::uint64_t end = piece.begin() + PieceBytes(piece, planned.file->size());
    buffer = buffer.first(ChunkBytes(fd));
    for (std::uint64_t offset = piece.begin(); offset < end;) {
      const auto chunk = buffer.first(std::min<std::uint64_t>(buffer.size(), end - offset));
      for (std::size_t done = 0; done < chunk.size();) {
        if (stop.stop_requested()) return Status::Cancelled("cancelled");
        const auto step = chunk.subspan(done, std::min(kLeastChunk, chunk.size() - done));
        if (Status status = planned.file->ReadAt(offset + done, step); !status.ok()) {
          const std::uint64_t begin = offset + done;
          return status.WithContext(fmt::format("'{}', bytes {} to {}", planned.path, begin, begin + step.size()));
        }
        digest.Add(step);  // while it is in the cache
        done += step.size();
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
  std::vector<File> files_;
  std::optional<SourceRelease> release_;
  std::atomic<std::size_t> chunk_bytes_{0};  // 0 until the first file is open
  ReadAhead read_ahead_;                     // last: its threads use what is above
};

// Compares the files that are complete with their digests. With `remove` those that are damaged are removed, so that
// they are written anew. Returns the first difference.
Result<std::optional<Difference>> CheckComplete(const MaterializePlan& plan, unsigned threads, OutputTree& output,
                                                bool remove, std::atomic<std::uint64_t>* bytes_done,
                                                const std::stop_token& cancel) {
  std::vector<ManifestFile> files;
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < plan.files().size(); ++i) {
    if (!output.digests()[i]) continue;
    files.push_back({plan.files()[i].path, plan.files()[i].file->size(), *output.digests()[i]});
    numbers.push_back(i);
  }
  SHARDFS_ASSIGN_OR_RETURN(const auto differences, CheckDigests(output.root(), plan.destination(), files, false,
                                                                threads, {bytes_done, nullptr}, cancel));
  std::optional<Difference> first;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!differences[i]) continue;
    if (!first) first = differences[i];
    if (remove) SHARDFS_RETURN_IF_ERROR(output.RemoveFile(numbers[i]));
  }
  return first;
}

// What an earlier run left is believed by its digests where they are to be looked at, and after the machine was started
// anew: what the journal says may then be ahead of what reached the disk.
Status CheckKept(const MaterializePlan& plan, unsigned threads, OutputTree& output, const std::stop_token& cancel) {
  if (plan.unfinished() == nullptr || plan.restart()) return Status::Ok();
  const std::string boot = CurrentBoot();
  if (!plan.mends() && !boot.empty() && boot == plan.unfinished()->boot) return Status::Ok();
  return CheckComplete(plan, threads, output, true, nullptr, cancel).status();
}

Status NotAsWritten(const OutputTree& output, const Difference& difference, const char* advice = "") {
  return Status::Different(fmt::format("'{}' does not hold what was written to it: {}{}",
                                       output.FullPath(difference.path), difference.message, advice));
}

// Counts the files of an earlier run that stay, and names those that do not.
void CountKept(const MaterializePlan& plan, const OutputTree& output, MaterializeSummary& summary,
               MaterializeProgress& progress) {
  const JournalContents* const left = plan.restart() ? nullptr : plan.unfinished();
  for (std::size_t i = 0; i < plan.files().size(); ++i) {
    const PlannedFile& file = plan.files()[i];
    if (output.digests()[i]) {
      ++summary.kept_files;
      summary.kept_bytes += file.file->size();
    } else if (left != nullptr && left->done.contains(file.path)) {
      summary.mended.push_back(file.path);
    }
  }
  progress.files_done = static_cast<std::uint32_t>(summary.kept_files);
  progress.bytes_done = summary.kept_bytes;
}

// Whether anything is to be written to a destination that the plan found complete: where it is to be mended, and a file
// does not have its digest.
Result<bool> IsDamaged(const MaterializePlan& plan, const MaterializeOptions& options, OutputTree& output,
                       MaterializeProgress& progress, MaterializeSummary& summary, const std::stop_token& cancel) {
  SHARDFS_RETURN_IF_ERROR(output.OpenComplete());
  std::optional<Difference> difference;
  if (plan.mends() || options.verify) {
    SHARDFS_ASSIGN_OR_RETURN(difference,
                             CheckComplete(plan, options.threads, output, false, &progress.bytes_done, cancel));
  }
  if (difference && plan.mends()) return true;
  if (difference) return NotAsWritten(output, *difference, "; give --replace, and it is written anew");
  CountKept(plan, output, summary, progress);
  if (options.verify) progress.bytes_done = summary.kept_bytes * 2;
  return false;
}

Status WriteTree(const MaterializePlan& plan, const MaterializeOptions& options, OutputTree& output,
                 MaterializeProgress& progress, MaterializeSummary& summary, const std::stop_token& cancel) {
  SHARDFS_RETURN_IF_ERROR(output.Open());
  SHARDFS_RETURN_IF_ERROR(CheckKept(plan, options.threads, output, cancel));
  CountKept(plan, output, summary, progress);
  SHARDFS_RETURN_IF_ERROR(output.Prepare());
  {
    PieceWriter writer(plan, options, output, progress);
    // A file has one writer at a time.
    const std::size_t workers = std::min(WorkerCount(options.threads), plan.files().size());
    SHARDFS_RETURN_IF_ERROR(RunTasks(workers, options.threads, cancel,
                                     [&writer](std::size_t, const std::stop_token& stop) { return writer.Run(stop); }));
  }
  if (options.verify) {
    SHARDFS_ASSIGN_OR_RETURN(const auto difference,
                             CheckComplete(plan, options.threads, output, true, &progress.bytes_done, cancel));
    if (difference) return NotAsWritten(output, *difference);
  }
  return output.Finish();
}

// What to do about files that were kept. A source that breaks a rule breaks it the next time as well.
std::string_view AdviceFor(StatusCode code) {
  const bool is_lasting =
      code == StatusCode::kCorruption || code == StatusCode::kInvalidArgument || code == StatusCode::kNotSupported;
  return is_lasting ? "; correct the source and give --replace, or remove the directory"
                    : ": run the same command again to go on";
}

// The end of a run that stopped with `status`: keeps what is complete or removes what was written, and says so.
Status Stop(const MaterializePlan& plan, bool keep, OutputTree& output, const Status& status) {
  const auto complete = static_cast<std::size_t>(
      std::count_if(output.digests().begin(), output.digests().end(), [](const auto& digest) { return !!digest; }));
  const bool kept = output.owns_destination() && keep && complete > 0;
  const Status undone = kept ? output.Suspend() : output.Rollback();
  if (!undone.ok()) {
    return status.WithContext(
        fmt::format("'{}' is incomplete and must not be used ({}; remove it)", plan.destination(), undone.message()));
  }
  if (!output.owns_destination()) return status;
  const std::string what = kept ? fmt::format("{} of {} files are complete and kept{}", complete, plan.files().size(),
                                              AdviceFor(status.code()))
                                : std::string("what it wrote was removed");
  if (status.code() == StatusCode::kCancelled) {
    return Status::Cancelled(fmt::format("materializing to '{}' was cancelled; {}", plan.destination(), what));
  }
  return status.WithContext(fmt::format("materializing to '{}' failed; {}", plan.destination(), what));
}

}  // namespace

Result<MaterializeSummary> Materialize(const MaterializePlan& plan, const MaterializeOptions& options,
                                       MaterializeProgress& progress, std::stop_token cancel) {
  const auto start = std::chrono::steady_clock::now();
  MaterializeSummary summary{
      .files = plan.files().size(), .directories = plan.directories().size(), .bytes = plan.total_bytes()};
  try {
    OutputTree output(plan, options);
    bool writes = !plan.is_complete();
    if (!writes) {
      SHARDFS_ASSIGN_OR_RETURN(writes, IsDamaged(plan, options, output, progress, summary, cancel));
    }
    if (writes) {
      const Status status = WriteTree(plan, options, output, progress, summary, cancel);
      if (!status.ok()) return Stop(plan, options.keep, output, status);
    }
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted("out of memory; use fewer threads");
  }
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace shardfs
