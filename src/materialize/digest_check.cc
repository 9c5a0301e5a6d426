#include "materialize/digest_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "base/parallel_tasks.h"
#include "materialize/piece_schedule.h"
#include "base/quote_name.h"
#include "shardfs/base/checked_math.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

static_assert(kBlockBytes == kDigestBlockBytes);

constexpr std::uint32_t kBlocksATask = 32;                  // a large file is read by several threads
constexpr std::size_t kReadBytes = std::size_t{256} << 10;  // stays in the L2 cache between reading and hashing

struct Task {
  std::size_t file = 0;
  std::uint32_t first_block = 0;
};

std::optional<Difference> CompareAttributes(int root, const ManifestFile& file) {
  struct stat info {};
  Difference difference{.path = file.path};
  if (::fstatat(root, file.path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    difference.kind = DifferenceKind::kMissing;
    difference.message = "missing";
    return difference;
  }
  if (!S_ISREG(info.st_mode)) {
    difference.kind = DifferenceKind::kType;
    difference.message = "not a regular file";
    return difference;
  }
  if (static_cast<std::uint64_t>(info.st_size) == file.size) return std::nullopt;
  difference.kind = DifferenceKind::kSize;
  difference.expected = std::to_string(file.size);
  difference.actual = std::to_string(info.st_size);
  difference.message = fmt::format("it has {} bytes and should have {}", difference.actual, difference.expected);
  return difference;
}

class Check {
 public:
  Check(int root, const std::string& directory, std::span<const ManifestFile> files, const DigestProgress& progress)
      : root_(root), directory_(directory), files_(files), progress_(progress), blocks_(files.size()) {}

  void Add(std::size_t file) {
    const std::uint32_t blocks = BlockCount(files_[file].size);
    blocks_[file].resize(blocks);
    for (std::uint32_t block = 0; block < blocks; block += kBlocksATask) tasks_.push_back({file, block});
  }

  Status Run(unsigned threads, const std::stop_token& cancel) {
    return RunTasks(tasks_.size(), threads, cancel,
                    [this](std::size_t number, const std::stop_token& stop) { return Read(tasks_[number], stop); });
  }

  // After Run, of a file that was added.
  std::optional<Difference> Compare(std::size_t file) const {
    const FileDigest digest = FileDigest::OfBlocks(blocks_[file]);
    if (digest == files_[file].digest) return std::nullopt;
    Difference difference{.path = files_[file].path, .kind = DifferenceKind::kDigest};
    difference.expected = files_[file].digest.ToHex();
    difference.actual = digest.ToHex();
    difference.message = fmt::format("its digest is {} and should be {}", difference.actual, difference.expected);
    return difference;
  }

 private:
  Status Read(const Task& task, const std::stop_token& stop) {
    const ManifestFile& file = files_[task.file];
    const std::string name = QuoteName(directory_ + "/" + file.path);
    const FileDescriptor fd(::openat(root_, file.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) return Status::FromErrno(errno, fmt::format("cannot open {}", name));
    DigestStream stream;
    std::vector<std::byte> buffer(std::min<std::uint64_t>(kReadBytes, file.size));
    const auto last = std::min<std::size_t>(task.first_block + kBlocksATask, blocks_[task.file].size());
    for (std::uint32_t block = task.first_block; block < last; ++block) {
      const Piece piece{0, block};
      const std::uint64_t end = piece.begin() + PieceBytes(piece, file.size);
      for (std::uint64_t offset = piece.begin(); offset < end;) {
        if (stop.stop_requested()) return Status::Cancelled("checking was cancelled");
        const ssize_t count = ::pread(fd.get(), buffer.data(), std::min<std::uint64_t>(buffer.size(), end - offset),
                                      static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Status::FromErrno(errno, fmt::format("cannot read {} at byte {}", name, offset));
        if (count == 0) return Status::IoError(fmt::format("{} became shorter while it was checked", name));
        stream.Add(std::span(buffer).first(static_cast<std::size_t>(count)));
        offset += static_cast<std::uint64_t>(count);
        progress_.AddBytes(static_cast<std::uint64_t>(count));
      }
      blocks_[task.file][block] = stream.Finish();
    }
    if (last == blocks_[task.file].size()) progress_.AddFile();
    return Status::Ok();
  }

  const int root_;
  const std::string& directory_;
  const std::span<const ManifestFile> files_;
  const DigestProgress& progress_;
  std::vector<Task> tasks_;
  std::vector<std::vector<FileDigest>> blocks_;  // by file; each task writes its own
};

}  // namespace

Result<std::vector<std::optional<Difference>>> CheckDigests(int root, const std::string& directory,
                                                            std::span<const ManifestFile> files, bool quick,
                                                            unsigned threads, const DigestProgress& progress,
                                                            const std::stop_token& cancel) {
  std::vector<std::optional<Difference>> differences(files.size());
  Check check(root, directory, files, progress);
  for (std::size_t i = 0; i < files.size(); ++i) {
    differences[i] = CompareAttributes(root, files[i]);
    if (!differences[i] && !quick) {
      check.Add(i);
    } else {
      progress.AddBytes(files[i].size);
      progress.AddFile();
    }
  }
  if (quick) return differences;
  SHARDFS_RETURN_IF_ERROR(check.Run(threads, cancel));
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!differences[i]) differences[i] = check.Compare(i);
  }
  return differences;
}

}  // namespace shardfs
