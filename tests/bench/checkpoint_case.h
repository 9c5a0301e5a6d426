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
  std::string folder;  // the first part of it, or empty
  std::uint64_t bytes = 0;
  std::vector<std::uint64_t> ranks;  // that load it
};

struct CheckpointCase {
  std::string name;  // "bf16", "w8a8", "rank-cut"
  std::string source;
  std::vector<std::string> layout;        // the command line behind SOURCE
  std::string finished;                   // what materialize wrote onto the disk
  std::vector<std::string> source_files;  // safetensors, as absolute paths
  std::uint64_t source_bytes = 0;
  std::vector<OutputFile> files;  // in the order of paths
  std::uint64_t output_bytes = 0;
};

// "bf16" and "w8a8", of DeepSeek-V3 for dp 2, tp 8, moe_tp 4, moe_ep 4.
std::vector<std::string> CheckpointNames();

// deepseek-moe-16b of few layers, cut for tp 8: not among CheckpointNames, as one benchmark alone takes it.
inline constexpr const char* kRankCutCheckpoint = "rank-cut";

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
