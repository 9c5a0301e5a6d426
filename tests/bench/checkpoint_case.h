// CheckpointCase: a checkpoint with the row lengths of DeepSeek-V3 (hidden 7,168, expert width 2,048) and few layers,
// with the finished directory of 16 ranks that the references copy and read.
//
// Thread-safety: a value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/workplace.h"
#include "shardfs/base/result.h"

namespace shardfs::bench {

struct OutputFile {
  std::string path;    // relative
  std::string folder;  // the first part of it; of weights that lie in no folder, the file itself; else empty
  std::uint64_t bytes = 0;
  std::vector<std::uint64_t> ranks;  // that load it
};

struct CheckpointCase {
  std::string name;  // "bf16", "w8a8", kShardedState
  std::vector<std::string> layout;  // the command line behind SOURCE
  std::string source;
  std::string finished;                   // what materialize wrote onto the disk
  std::vector<std::string> source_files;  // safetensors, as absolute paths
  std::uint64_t source_bytes = 0;
  std::vector<OutputFile> files;  // in the order of paths
  std::uint64_t output_bytes = 0;
};

// The case of vLLM's sharded_state, whose files lie in no folders.
inline constexpr char kShardedState[] = "sharded_state";

// The cases of the mindie layout: "bf16" and "w8a8".
std::vector<std::string> CheckpointNames();

// Makes the checkpoint and its finished directory in workplace.checkpoints, or takes those that are there.
Result<CheckpointCase> PrepareCheckpoint(const Workplace& workplace, const std::string& name);
Status RemoveCheckpoint(const Workplace& workplace, const std::string& name);

// What the larger of both cases needs at most, for the check before anything is done.
struct Needs {
  std::uint64_t disk_bytes = 0;
  std::uint64_t memory_bytes = 0;
};
Needs NeedsOf(const Workplace& workplace);

// A part of a case's folders, evenly over the kinds.
struct Sample {
  std::vector<std::string> folders;  // relative
  std::vector<std::string> files;    // relative, in the order of paths
  std::uint64_t bytes = 0;
};
Sample SampleOf(const CheckpointCase& checkpoint, std::uint64_t most_bytes);

// "<directory>/<name>" for each.
std::vector<std::string> Below(const std::string& directory, const std::vector<std::string>& names);

}  // namespace shardfs::bench
