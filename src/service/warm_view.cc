// The files are cut into blocks, and the blocks read through the mount in the order of the source bytes that they need,
// as materialize orders its work: the shards of one tensor stand side by side, and a source that is larger than memory
// is read once. The kernel keeps the pages of what is read. A block is passed over where it is in memory, or where the
// blocks before it have filled what the machine and the control groups leave.
#include "service/warm_view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>

#include "base/parallel_tasks.h"
#include "base/quote_name.h"
#include "materialize/piece_schedule.h"
#include "service/cached_bytes.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

Result<FileDescriptor> Open(const std::string& mount_point, const std::string& path) {
  FileDescriptor file(::open((mount_point + "/" + path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.valid()) return file;
  return Status::FromErrno(errno, fmt::format("cannot open {}", QuoteName(mount_point + "/" + path)));
}

// Returns the cached bytes of all files together; nothing where they are not known of one.
Result<std::optional<std::uint64_t>> CachedOf(const std::string& mount_point, std::span<const PlannedFile> files) {
  std::uint64_t cached = 0;
  for (const PlannedFile& planned : files) {
    SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor file, Open(mount_point, planned.path));
    const std::optional<std::uint64_t> of_file = CachedBytes(file.get(), 0, planned.file->size());
    if (!of_file) return std::optional<std::uint64_t>();
    cached += *of_file;
  }
  return std::optional(cached);
}

class Warmer {
 public:
  Warmer(const std::string& mount_point, std::span<const PlannedFile> files, std::uint64_t room, WarmProgress& progress)
      : mount_point_(mount_point), files_(files), room_(room), progress_(progress), left_(files.size()) {
    pieces_ = PiecesInSourceOrder(files, std::vector<bool>(files.size(), true));
    for (const Piece& piece : pieces_) ++left_[piece.file];
  }

  Status Run(unsigned threads, const std::stop_token& cancel) {
    return RunTasks(pieces_.size(), threads, cancel, [this](std::size_t i, const std::stop_token&) {
      const Piece& piece = pieces_[i];
      progress_.current_file.store(piece.file, std::memory_order_relaxed);
      SHARDFS_RETURN_IF_ERROR(Warm(piece));
      if (--left_[piece.file] == 0) ++progress_.files_done;
      return Status::Ok();
    });
  }

  std::uint64_t read() const { return read_; }
  std::uint64_t left_out() const { return left_out_; }

 private:
  Status Warm(const Piece& piece) {
    const PlannedFile& planned = files_[piece.file];
    const std::uint64_t bytes = PieceBytes(piece, planned.file->size());
    if (bytes == 0) return Status::Ok();
    SHARDFS_ASSIGN_OR_RETURN(const FileDescriptor file, Open(mount_point_, planned.path));
    if (CachedBytes(file.get(), piece.begin(), bytes).value_or(0) < bytes) {
      if (taken_.fetch_add(bytes) + bytes > room_) {
        left_out_ += bytes;
        return Status::Ok();
      }
      SHARDFS_RETURN_IF_ERROR(Read(file.get(), piece.begin(), bytes, planned.path));
      read_ += bytes;
    }
    progress_.bytes_done += bytes;
    return Status::Ok();
  }

  Status Read(int file, std::uint64_t offset, std::uint64_t bytes, const std::string& path) const {
    std::vector<std::byte> buffer(std::min<std::uint64_t>(bytes, std::uint64_t{1} << 20));
    for (const std::uint64_t end = offset + bytes; offset < end;) {
      const ssize_t count = ::pread(file, buffer.data(), std::min<std::uint64_t>(buffer.size(), end - offset),
                                    static_cast<off_t>(offset));
      if (count > 0) {
        offset += static_cast<std::uint64_t>(count);
        continue;
      }
      const int error = errno;
      if (count < 0 && error == EINTR) continue;
      const std::string where = fmt::format("cannot read {} at byte {}", QuoteName(mount_point_ + "/" + path), offset);
      if (count < 0) return Status::FromErrno(error, where);
      return Status::IoError(where + ": it ends there; is another view mounted now?");
    }
    return Status::Ok();
  }

  const std::string& mount_point_;
  const std::span<const PlannedFile> files_;
  const std::uint64_t room_;
  WarmProgress& progress_;
  std::vector<Piece> pieces_;
  std::vector<std::atomic<std::uint32_t>> left_;  // pieces of each file
  std::atomic<std::uint64_t> taken_{0};           // of room_
  std::atomic<std::uint64_t> read_{0};
  std::atomic<std::uint64_t> left_out_{0};
};

// Returns how many bytes may still be filled without driving out what is cached of the view already.
std::uint64_t RoomBeside(std::uint64_t cached, const MemoryFiles& memory, WarmReport& report) {
  std::uint64_t room = UINT64_MAX;
  for (const MemoryLimit& limit : ReadMemoryLimits(memory)) {
    if (limit.available >= room) continue;
    room = limit.available;
    report.memory_limit = limit.name;
  }
  report.memory = report.memory_limit.empty() ? 0 : room;
  return room == UINT64_MAX ? room : room - std::min(room, cached);
}

}  // namespace

Result<WarmReport> WarmView(const std::string& mount_point, std::span<const PlannedFile> files, unsigned threads,
                            WarmProgress& progress, const std::stop_token& cancel, const MemoryFiles& memory) {
  const auto started = std::chrono::steady_clock::now();
  WarmReport report;
  report.files = files.size();
  for (const PlannedFile& file : files) report.bytes += file.file->size();
  SHARDFS_ASSIGN_OR_RETURN(report.cached_before, CachedOf(mount_point, files));
  Warmer warmer(mount_point, files, RoomBeside(report.cached_before.value_or(0), memory, report), progress);
  SHARDFS_RETURN_IF_ERROR(warmer.Run(threads, cancel));
  report.read = warmer.read();
  report.left_out = warmer.left_out();
  SHARDFS_ASSIGN_OR_RETURN(report.cached_after, CachedOf(mount_point, files));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

}  // namespace shardfs
