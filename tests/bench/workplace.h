// Workplace: what every benchmark needs to know of this run.
//
// Thread-safety: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace shardfs::bench {

struct Workplace {
  // Programs, as absolute paths.
  std::string shardfs;
  std::string make_checkpoint;
  std::string reader;
  std::string null_fuse;

  std::string scratch;      // for mount points; below it nothing outlives the run
  std::string checkpoints;  // where checkpoints and their finished directories lie, on a disk
  bool full = false;

  // Rounds of what takes seconds each, and of what takes milliseconds.
  int rounds() const { return full ? 9 : 5; }
  int short_rounds() const { return full ? 15 : 9; }
  // The reads and copies of a mount take folders of each kind up to this, so that a round stays short.
  std::uint64_t sample_bytes() const { return (full ? std::uint64_t{6} : std::uint64_t{2}) << 30; }
};

}  // namespace shardfs::bench
