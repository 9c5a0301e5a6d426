// TensorCut: the cuts of a rule worked out for tensors of one shape: what each coordinate of a group gets of each axis.
// Source: spec/rank-cuts.md, section 2, "rules".
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "layout/rank_cut/dims.h"
#include "layout/rank_cut/rank_grids.h"
#include "layout/rank_cut/rule_table.h"
#include "layout/rank_cut/shares.h"
#include "shardfs/base/result.h"
#include "shardfs/tensor/shape.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs::rank_cut {

// What one coordinate gets of an axis.
struct AxisSlice {
  std::vector<Interval> parts;  // of the axis, in output order
  std::uint64_t zeros = 0;      // behind them
  Interval units;               // in units of the cut; of a fused tensor, of its first block

  bool operator==(const AxisSlice&) const = default;
};

// A part of an axis whose elements are in as many different slices as `slices` says: fewer than the group has ranks,
// where they are replicated.
struct AxisShare {
  Interval part;
  std::uint64_t slices = 1;
};

struct AxisCut {
  std::uint64_t axis = 0;
  CutGroup group = CutGroup::kTp;
  std::vector<AxisSlice> slices;  // by coordinate
  std::vector<AxisShare> shares;  // they cover the axis, in order
};

struct TensorCut {
  Shape shape;  // of the whole tensor
  std::vector<AxisCut> axes;

  // What a rank gets of an axis, or nullptr where that is all of it, uncut.
  const AxisSlice* SliceOf(std::uint64_t axis, const RankPlace& place) const;
  Shape ShapeAt(const RankPlace& place) const;  // of a rank's own part
  Result<TensorPtr> Apply(TensorPtr whole, const RankPlace& place) const;

  // The place of an axis that is counted from the end where it is negative; nothing where there is none.
  static std::optional<std::uint64_t> AxisOf(std::int64_t axis, std::size_t rank);
};

// What a rule needs to be worked out.
struct CutContext {
  const RankGrids& grids;
  const Dims& dims;
  const std::vector<Interval>& experts;  // the block of each coordinate of ep; none: no experts
};

// `name` is that of the tensor, for messages. Codes: bad-axis, not-divisible, empty-cut, shape, bad-rule, unknown-dim.
Result<TensorCut> WorkOut(const Rule& rule, const CutContext& context, std::string_view name, const Shape& shape);

}  // namespace shardfs::rank_cut
