// Shares: how many things, in order, are shared out among some: rows, units or experts among ranks, layers among
// stages. Source: spec/rank-cuts.md, section 2, "layers", "experts", "rules".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layout/rank_cut/dims.h"
#include "layout/rank_cut/rule_table.h"
#include "shardfs/base/result.h"

namespace shardfs::rank_cut {

struct Interval {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
  bool operator==(const Interval&) const = default;
};

// `count` things among `parts`, one interval each; nothing where they do not divide and `uneven` does not say how.
std::optional<std::vector<Interval>> ShareOut(std::uint64_t count, std::uint64_t parts, Uneven uneven);

// The layers of each of `stages` pipeline stages. Codes: stage-remainder, empty-stage, bad-rule.
Result<std::vector<Interval>> SplitLayers(const LayersSpec& layers, const Dims& dims, std::uint64_t stages);

}  // namespace shardfs::rank_cut
