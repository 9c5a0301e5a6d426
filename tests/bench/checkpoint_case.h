// CheckpointCase: a checkpoint with the row lengths of a published model and few layers, how it is shown, and the
// finished directory of that view, which the references copy and read. A further one is a line in checkpoint_case.cc.
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
  std::string folder;  // the first part of it, or empty
  std::uint64_t bytes = 0;
  std::vector<std::uint64_t> ranks;  // that load it
};

struct CheckpointCase {
  std::string name;  // "bf16"
  std::string source;
  std::vector<std::string> arguments;     // of the view, behind SOURCE
  std::string finished;                   // what materialize wrote onto the disk
  std::vector<std::string> source_files;  // safetensors, as absolute paths
  std::uint64_t source_bytes = 0;
  std::vector<OutputFile> files;  // in the order of paths
  std::uint64_t output_bytes = 0;
};

// Of all cases that every benchmark of a checkpoint is for.
std::vector<std::string> CheckpointNames();

// The case of vLLM's sharded_state, which has a benchmark of its own: its files lie in no folders.
inline constexpr char kShardedState[] = "sharded-state";

// The one that every benchmark is run of, also in a quick run.
inline constexpr const char* kMainCheckpoint = "w8a8";

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
