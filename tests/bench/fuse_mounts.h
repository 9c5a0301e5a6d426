// Mounts of a checkpoint, ours and the null daemon's, and reads of them.
//
// Thread-safety: one thread.
#pragma once

#include <string>
#include <vector>

#include "bench/checkpoint_case.h"
#include "bench/mounts.h"
#include "bench/reader.h"
#include "bench/workplace.h"

namespace shardfs::bench {

Result<FuseMount> MountCheckpoint(const Workplace& workplace, const CheckpointCase& checkpoint);

// The names and sizes of the finished directory; every read is answered from the same buffer.
Result<FuseMount> MountNull(const Workplace& workplace, const CheckpointCase& checkpoint);

// The finished directory itself, by a daemon that copies each range once from the page cache and replies: what is left
// to a daemon that has something to say.
Result<FuseMount> MountCopying(const Workplace& workplace, const CheckpointCase& checkpoint);

// A tmpfs with a copy of the sample's files in it, small pages.
Result<MountPoint> CopyToTmpfs(const Workplace& workplace, const CheckpointCase& checkpoint, const Sample& sample);

// One process reads the sample's files below `root`. Touches `fresh_bytes` of memory beforehand. GB/s.
Result<double> TimeRead(const Workplace& workplace, ReadMode mode, const std::string& root, const Sample& sample,
                        std::uint64_t fresh_bytes);

}  // namespace shardfs::bench
