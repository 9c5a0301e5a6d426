#include "cli/rank_options.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "parallel/node_environment.h"
#include "parallel/node_ranks.h"
#include "console/output.h"

namespace shardfs {
namespace {

constexpr std::string_view kAuto = "auto";

Result<std::uint32_t> ParseNodeRank(const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  return Status::InvalidArgument("--node-rank is '" + text + "', and must be a number from 0, or auto");
}

Result<RankSet> RanksOfThisNode(const RankOptions& options, const View& layout) {
  SHARDFS_ASSIGN_OR_RETURN(const NodeNumbers numbers, NodeFromEnvironment());
  std::string origin = numbers.rank_variable;
  std::uint32_t nodes = layout.nodes;
  if (options.nodes) {
    nodes = *options.nodes;
    origin += " and --nnodes";
  } else if (numbers.nodes) {
    nodes = *numbers.nodes;
    origin += " and " + numbers.nodes_variable;
    // Either may be of another job; the wrong ranks' files would be found out only when the model is loaded.
    if (layout.nodes > 1 && layout.nodes != nodes) {
      return Status::InvalidArgument(fmt::format("{} says {} nodes and the rank table {}; say which with --nnodes",
                                                 numbers.nodes_variable, nodes, layout.nodes));
    }
  } else if (layout.nodes > 1) {
    origin += " and the rank table";
  } else {
    return Status::InvalidArgument(
        fmt::format("{} says that this is node {}, and nothing says of how many; add --nnodes", origin, numbers.rank));
  }
  Result<RankSet> ranks = RanksOfNode(layout.world_size, nodes, numbers.rank);
  if (!ranks.ok()) return ranks.status().WithContext(origin);
  PrintNote(fmt::format("node {} of {} ({}): ranks {}", numbers.rank, nodes, origin, FormatRanks(*ranks)));
  return ranks;
}

Result<RankSet> RanksAskedFor(const RankOptions& options, const View& layout) {
  if (!options.ranks.empty()) return RankSet::Parse(options.ranks, layout.world_size);
  if (options.node_rank == kAuto) return RanksOfThisNode(options, layout);
  SHARDFS_ASSIGN_OR_RETURN(const std::uint32_t node_rank, ParseNodeRank(options.node_rank));
  if (!options.nodes && layout.nodes <= 1) {
    return Status::InvalidArgument("--node-rank needs the number of nodes; add --nnodes");
  }
  const std::uint32_t nodes = options.nodes.value_or(layout.nodes);
  return RanksOfNode(layout.world_size, nodes, node_rank);
}

}  // namespace

void AddRankOptions(CLI::App& command, const std::string& what, RankOptions& options) {
  auto* ranks = command.add_option("--ranks", options.ranks, what + " these ranks load, as in 0-7,9");
  auto* node_rank = command.add_option("--node-rank", options.node_rank,
                                       what +
                                           " this node's ranks load; auto: NODE_RANK, GROUP_RANK, SLURM_NODEID, or "
                                           "what the rank table RANK_TABLE_FILE says");
  auto* nodes = command.add_option("--nnodes", options.nodes,
                                   "Number of nodes (default: the rank table's; with auto: NNODES, GROUP_WORLD_SIZE, "
                                   "SLURM_STEP_NUM_NODES or SLURM_NNODES)");
  ranks->excludes(node_rank)->type_name("RANKS");
  node_rank->type_name("N|auto");
  nodes->needs(node_rank)->type_name("M");
}

Result<std::optional<RankSet>> SelectRanks(const RankOptions& options, const View& layout) {
  if (options.ranks.empty() && options.node_rank.empty()) return std::optional<RankSet>();
  SHARDFS_ASSIGN_OR_RETURN(RankSet ranks, RanksAskedFor(options, layout));
  if (ranks.ranks().size() == layout.world_size) return std::optional<RankSet>();
  return std::optional(std::move(ranks));
}

}  // namespace shardfs
