#include "cli/rank_options.h"

#include <utility>

#include "cli/node_ranks.h"

namespace shardfs {

void AddRankOptions(CLI::App& command, const std::string& what, RankOptions& options) {
  auto* ranks = command.add_option("--ranks", options.ranks, what + " these ranks load, as in 0-7,9");
  auto* node_rank = command.add_option("--node-rank", options.node_rank, what + " this node's ranks load");
  auto* nodes = command.add_option("--nnodes", options.nodes, "Number of nodes (default: the rank table's)");
  ranks->excludes(node_rank)->type_name("RANKS");
  node_rank->type_name("N");
  nodes->needs(node_rank)->type_name("M");
}

Result<std::optional<RankSet>> SelectRanks(const RankOptions& options, const LayoutResult& layout) {
  if (!options.ranks.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(RankSet ranks, RankSet::Parse(options.ranks, layout.world_size));
    return std::optional(std::move(ranks));
  }
  if (!options.node_rank) return std::optional<RankSet>();
  if (!options.nodes && layout.nodes <= 1) {
    return Status::InvalidArgument("--node-rank needs the number of nodes; add --nnodes");
  }
  const std::uint32_t nodes = options.nodes.value_or(layout.nodes);
  SHARDFS_ASSIGN_OR_RETURN(RankSet ranks, RanksOfNode(layout.world_size, nodes, *options.node_rank));
  return std::optional(std::move(ranks));
}

}  // namespace shardfs
