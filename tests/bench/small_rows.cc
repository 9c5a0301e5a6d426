#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "bench/benchmarks.h"
#include "bench/fuse_mounts.h"
#include "bench/memory.h"
#include "bench/process.h"
#include "bench/statistics.h"

namespace shardfs::bench {
namespace {

constexpr int kStats = 20'000;
constexpr int kOpens = 2'000;
constexpr std::size_t kPieceBytes = 4096;

// Microseconds of one stat, when the kernel has the attributes.
Result<double> TimeStat(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Status::FromErrno(errno, "stat of " + path);
  const double start = Now();
  for (int i = 0; i < kStats; ++i) ::stat(path.c_str(), &info);
  return (Now() - start) / kStats * 1e6;
}

// Microseconds of one open, pread of 4 KiB at a random place, close; random over all files below `root`.
Result<double> TimeOpens(const std::string& root, const Sample& sample, std::mt19937_64& random) {
  const std::vector<std::string> paths = Below(root, sample.files);
  std::vector<off_t> sizes;
  for (const std::string& path : paths) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return Status::FromErrno(errno, "stat of " + path);
    sizes.push_back(info.st_size);
  }
  char piece[kPieceBytes];
  const double start = Now();
  for (int i = 0; i < kOpens; ++i) {
    const std::size_t file = random() % paths.size();
    const auto offset = static_cast<off_t>(random() % static_cast<std::uint64_t>(sizes[file]));
    const int fd = ::open(paths[file].c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : ::pread(fd, piece, sizeof(piece), offset);
    if (got <= 0) return Status::FromErrno(errno, "cannot read " + paths[file]);
    ::close(fd);
  }
  return (Now() - start) / kOpens * 1e6;
}

Row RowOf(const char* name, double limit, std::vector<double> ours, std::vector<double> reference) {
  Row row;
  row.name = name;
  row.against = "the same of plain tmpfs";
  row.unit = "us";
  row.better = Better::kLower;
  row.ours = std::move(ours);
  row.reference = std::move(reference);
  row.target = Target{Bound::kValueAtMost, limit};
  return row;
}

}  // namespace

Result<Rows> MeasureSmall(const Workplace& workplace, const CheckpointCase& checkpoint) {
  const Sample sample = SampleOf(checkpoint, workplace.sample_bytes());
  SHARDFS_RETURN_IF_ERROR(WarmFiles(checkpoint.source_files));
  SHARDFS_ASSIGN_OR_RETURN(const MountPoint tmpfs, CopyToTmpfs(workplace, checkpoint, sample));
  std::mt19937_64 random(1);
  const auto stat_below = [&](const std::string& root) { return TimeStat(root + "/" + sample.files.front()); };
  Rows rows;
  {
    SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, MountCheckpoint(workplace, checkpoint));
    SHARDFS_ASSIGN_OR_RETURN(const auto values,
                             Interleave(workplace.short_rounds(), {[&] { return stat_below(mount.path()); },
                                                                   [&] { return stat_below(tmpfs.path()); }}));
    rows.push_back(RowOf("stat, cached", 3, values[0], values[1]));
  }
  const Measurement ours = [&]() -> Result<double> {
    TouchMemory(std::uint64_t{1} << 30);
    SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, MountCheckpoint(workplace, checkpoint));
    return TimeOpens(mount.path(), sample, random);
  };
  const Measurement plain = [&] { return TimeOpens(tmpfs.path(), sample, random); };
  const Measurement null = [&]() -> Result<double> {
    TouchMemory(std::uint64_t{1} << 30);
    SHARDFS_ASSIGN_OR_RETURN(const FuseMount mount, MountNull(workplace, checkpoint));
    return TimeOpens(mount.path(), sample, random);
  };
  SHARDFS_ASSIGN_OR_RETURN(const auto values, Interleave(workplace.short_rounds(), {ours, plain, null}));
  rows.push_back(RowOf("open, pread 4 KiB at random, close; fresh mount", 40, values[0], values[1]));
  // What the kernel leaves to any daemon.
  Row ceiling = RowOf("  the same of ours / of a null daemon", 0, values[0], values[2]);
  ceiling.against = "a FUSE daemon that replies from one hot buffer";
  ceiling.target = std::nullopt;
  rows.push_back(std::move(ceiling));
  return rows;
}

}  // namespace shardfs::bench
