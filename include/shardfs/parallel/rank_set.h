// RankSet: a set of ranks, ascending and without duplicates.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

class RankSet {
 public:
  RankSet() = default;
  explicit RankSet(std::vector<std::uint32_t> ranks);

  static RankSet All(std::uint32_t world_size);
  static RankSet Range(std::uint32_t begin, std::uint32_t end);  // [begin, end)
  // "0-7", "3", "0-3,8,12-15"; each rank below world_size. kInvalidArgument otherwise.
  static Result<RankSet> Parse(std::string_view text, std::uint32_t world_size);

  const std::vector<std::uint32_t>& ranks() const { return ranks_; }
  bool empty() const { return ranks_.empty(); }
  bool Contains(std::uint32_t rank) const { return std::binary_search(ranks_.begin(), ranks_.end(), rank); }
  bool Intersects(const RankSet& other) const;
  void Insert(std::uint32_t rank);

  friend bool operator==(const RankSet&, const RankSet&) = default;

 private:
  std::vector<std::uint32_t> ranks_;
};

}  // namespace shardfs
