// --ranks, --node-rank and --nnodes: the part of a view that a subcommand is to work on.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "shardfs/base/result.h"
#include "shardfs/view/view.h"
#include "shardfs/parallel/rank_set.h"

namespace shardfs {

// The command line's part. Must outlive the parsing of the CLI::App that it was registered with.
struct RankOptions {
  std::string ranks;      // as typed; empty when not given
  std::string node_rank;  // as typed: a number, or "auto" for what the environment says; empty when not given
  std::optional<std::uint32_t> nodes;
};

// Registers the options; `what` begins their descriptions ("Write only what").
void AddRankOptions(CLI::App& command, const std::string& what, RankOptions& options);

// The ranks asked for; nothing for all. kInvalidArgument when the view has no such ranks or nodes.
Result<std::optional<RankSet>> SelectRanks(const RankOptions& options, const View& layout);

}  // namespace shardfs
