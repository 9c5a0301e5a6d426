// Which ranks run on which node (server): equal, consecutive shares, as the engines number them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "shardfs/base/result.h"
#include "shardfs/parallel/rank_set.h"

namespace shardfs {

// Ranks [node * world_size / nodes, (node + 1) * world_size / nodes). kInvalidArgument when the nodes do not divide the
// world size, or there is no such node.
inline Result<RankSet> RanksOfNode(std::uint32_t world_size, std::uint32_t nodes, std::uint32_t node) {
  if (nodes == 0 || world_size % nodes != 0) {
    return Status::InvalidArgument(
        fmt::format("{} nodes do not divide the world size of {}; give --nnodes a divisor of it", nodes, world_size));
  }
  if (node >= nodes) {
    return Status::InvalidArgument(
        fmt::format("there is no node {} among {} nodes; --node-rank counts from 0 to {}", node, nodes, nodes - 1));
  }
  const std::uint32_t share = world_size / nodes;
  return RankSet::Range(node * share, (node + 1) * share);
}

// "0-3,8,10-11"; "none" for the empty set.
inline std::string FormatRanks(const RankSet& set) {
  const auto& ranks = set.ranks();
  std::string text;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t last = i;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += last == i ? fmt::format("{}", ranks[i]) : fmt::format("{}-{}", ranks[i], ranks[last]);
    i = last + 1;
  }
  return text.empty() ? "none" : text;
}

}  // namespace shardfs
