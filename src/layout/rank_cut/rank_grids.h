// RankGrids: the two grids over the same ranks: a dense one of tp, cp, dp, pp, and one for experts of etp, ep, edp, pp.
// Source: spec/rank-cuts.md, section 2, "mesh".
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layout/rank_cut/file_name.h"
#include "layout/rank_cut/rule_table.h"
#include "shardfs/base/result.h"

namespace shardfs::rank_cut {

struct MeshSizes {
  std::uint64_t tp = 1, pp = 1, ep = 1, etp = 1, cp = 1, dp = 1, edp = 1, world = 1;
};

class RankGrids {
 public:
  // bad-mesh for sizes that do not fit each other, orders that are none, and a rank whose stages differ.
  static Result<RankGrids> Create(const MeshSpec& spec);

  const MeshSizes& sizes() const { return sizes_; }
  const std::vector<RankPlace>& ranks() const { return ranks_; }
  const std::string& order() const { return order_; }
  const std::string& expert_order() const { return expert_order_; }

  std::uint64_t SizeOf(CutGroup group) const;
  static std::uint32_t CoordinateOf(const RankPlace& place, CutGroup group);

 private:
  Status PlaceRanks();

  MeshSizes sizes_;
  std::string order_;
  std::string expert_order_;
  std::vector<RankPlace> ranks_;
};

}  // namespace shardfs::rank_cut
