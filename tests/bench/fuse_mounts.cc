#include "bench/fuse_mounts.h"

#include <fmt/format.h>

#include "bench/copies.h"
#include "bench/memory.h"
#include "bench/process.h"

namespace shardfs::bench {

Result<FuseMount> MountCheckpoint(const Workplace& workplace, const CheckpointCase& checkpoint) {
  std::vector<std::string> arguments = {workplace.shardfs, "mount"};
  arguments.insert(arguments.end(), checkpoint.layout.begin(), checkpoint.layout.end());
  arguments.push_back(checkpoint.source);
  return FuseMount::Start(workplace.scratch, std::move(arguments));
}

Result<FuseMount> MountNull(const Workplace& workplace, const CheckpointCase& checkpoint) {
  return FuseMount::Start(workplace.scratch, {workplace.null_fuse, checkpoint.finished});
}

Result<FuseMount> MountCopying(const Workplace& workplace, const CheckpointCase& checkpoint) {
  return FuseMount::Start(workplace.scratch, {workplace.null_fuse, "--copy", checkpoint.finished});
}

Result<MountPoint> CopyToTmpfs(const Workplace& workplace, const CheckpointCase& checkpoint, const Sample& sample) {
  SHARDFS_ASSIGN_OR_RETURN(MountPoint tmpfs, MountTmpfs(workplace.scratch, TmpfsPages::kSmall));
  std::vector<std::string> arguments = {"cp", "-r"};
  for (const std::string& folder : Below(checkpoint.finished, sample.folders)) arguments.push_back(folder);
  arguments.push_back(tmpfs.path());
  SHARDFS_RETURN_IF_ERROR(RunProcess(arguments).status());
  return tmpfs;
}

Result<double> TimeRead(const Workplace& workplace, ReadMode mode, const std::string& root, const Sample& sample,
                        std::uint64_t fresh_bytes) {
  TouchMemory(fresh_bytes);
  SHARDFS_ASSIGN_OR_RETURN(const ReadResult result, ReadFiles(workplace.reader, mode, {Below(root, sample.files)}));
  if (result.bytes != sample.bytes) {
    return Status::IoError(fmt::format("{} bytes were read below {} instead of {}", result.bytes, root, sample.bytes));
  }
  return GigabytesPerSecond(result.bytes, result.seconds);
}

}  // namespace shardfs::bench
