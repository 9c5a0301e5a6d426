// The directory that MindIE's weight_sharder makes of a small checkpoint, computed by definition: everything in memory,
// rank by rank, tensor by tensor. An oracle for tests; it shares no code with the layouts and the tensor expressions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "shardfs/base/json.h"

namespace shardfs::evaluator {

enum class Fidelity { kSharder, kLoader };

// -1: not given.
struct Options {
  std::int64_t world = -1;
  std::int64_t dp = -1;
  std::int64_t tp = -1;
  std::int64_t moe_tp = -1;
  std::int64_t moe_ep = -1;
  std::int64_t sp = -1;
  std::int64_t cp = -1;
  std::int64_t nodes = 1;
  bool mtp = false;
  std::uint64_t max_shard_bytes = 10'000'000'000;
  bool dp_partition_up = false;
  std::int64_t ep_level = 1;
  bool enable_gating_dp = true;
  bool enable_shared_expert_dp = false;
  std::int64_t dense_mlp_local_tp = -1;
  Fidelity fidelity = Fidelity::kSharder;
};

// What no directory must be made of: broken, contradictory, unsupported, or something that the reference loses data on.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Directory {
  std::map<std::string, std::string> files;  // relative path -> bytes; all but the metadata
  std::set<std::string> folders;             // also those without a file
  JsonValue metadata;                        // model_sharded_metadata.json, whose order is free
};

// Throws Refused.
Directory Evaluate(const std::filesystem::path& source, const Options& options);

}  // namespace shardfs::evaluator
