// An axis is a row of blocks, one where the rule has none; each block is a row of units, of one element each where the
// rule has none; ranks get intervals of units. A rank's slice is the parts of all blocks, one behind the other.
#include "layout/rank_cut/tensor_cut.h"

#include <fmt/format.h>

#include <algorithm>

#include "layout/rank_cut/refusal.h"
#include "shardfs/base/checked_math.h"

namespace shardfs::rank_cut {
namespace {

// A block of an axis that is cut.
struct Block {
  Interval part;
  std::uint64_t units = 0;
  bool replicate = false;
  Uneven uneven = Uneven::kRefused;
};

class AxisCutter {
 public:
  AxisCutter(const CutRule& rule, const CutContext& context, std::string_view name, std::uint64_t size)
      : rule_(rule), context_(context), name_(name), size_(size), ranks_(context.grids.SizeOf(rule.group)) {}

  Result<AxisCut> Cut(std::uint64_t axis) {
    cut_.axis = axis;
    cut_.group = rule_.group;
    cut_.slices.resize(ranks_);
    if (rule_.pad) {
      SHARDFS_RETURN_IF_ERROR(CutPadded());
      return std::move(cut_);
    }
    SHARDFS_ASSIGN_OR_RETURN(const std::vector<Block> blocks, Blocks());
    for (const Block& block : blocks) SHARDFS_RETURN_IF_ERROR(CutBlockOf(block));
    return std::move(cut_);
  }

 private:
  std::string What(std::string_view of) const { return fmt::format("{} of {}", of, name_); }

  Status NotDivisible(std::uint64_t count) const {
    return Refuse("not-divisible", fmt::format("{}: {} over {}", name_, count, ranks_));
  }

  // The units of a block of `size` elements, whose width is held against the rule's.
  Result<std::uint64_t> UnitsOf(const std::optional<Expression>& units, const std::optional<Expression>& unit_size,
                                std::uint64_t size) const {
    if (!units) return size;
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t count, context_.dims.Evaluate(*units, What("units")));
    if (count == 0 || size % count != 0) {
      return Refuse("not-divisible", fmt::format("{}: axis {} has {} elements, no multiple of {} units", name_,
                                                 rule_.axis, size, count));
    }
    if (!unit_size) return count;
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t width, context_.dims.Evaluate(*unit_size, What("unit_size")));
    if (CheckedMul(width, count) == size) return count;
    return Refuse("shape", fmt::format("{}: axis {} has {} elements, the rule says {} units of {}", name_, rule_.axis,
                                       size, count, width));
  }

  Result<std::vector<Block>> Blocks() const {
    std::vector<Block> blocks;
    if (rule_.blocks.empty()) {
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t units, UnitsOf(rule_.units, rule_.unit_size, size_));
      blocks.push_back({{0, size_}, units, rule_.replicate, rule_.uneven});
      return blocks;
    }
    std::uint64_t begin = 0;
    for (const CutBlock& rule : rule_.blocks) {
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t size, context_.dims.Evaluate(rule.size, What("size of a block")));
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t units, UnitsOf(rule.units, rule.unit_size, size));
      const auto end = CheckedAdd(begin, size);
      if (!end) return Refuse("bad-rule", fmt::format("{}: the blocks are too large", name_));
      blocks.push_back({{begin, *end}, units, rule.replicate, Uneven::kRefused});
      begin = *end;
    }
    if (begin == size_) return blocks;
    return Refuse("shape", fmt::format("{}: axis {} has {} elements, the rule's blocks have {}", name_, rule_.axis,
                                       size_, begin));
  }

  Status CutBlockOf(const Block& block) {
    const bool replicated = block.replicate && block.units < ranks_;
    if (replicated && (block.units == 0 || ranks_ % block.units != 0)) return NotDivisible(block.units);
    const std::uint64_t slices = replicated ? block.units : ranks_;
    const auto intervals = ShareOut(block.units, slices, block.uneven);
    if (!intervals) return NotDivisible(block.units);
    const std::uint64_t width = block.units == 0 ? 0 : block.part.size() / block.units;
    const bool is_first = cut_.shares.empty();
    for (std::uint64_t i = 0; i < ranks_; ++i) {
      const Interval units = (*intervals)[i / (ranks_ / slices)];
      if (units.size() == 0 && ranks_ > 1) {
        return Refuse("empty-cut", fmt::format("{}: {} {} of {} would hold nothing of the {} on axis {}", name_,
                                               CutGroupName(rule_.group), i, ranks_, block.units, rule_.axis));
      }
      AxisSlice& slice = cut_.slices[i];
      slice.parts.push_back({block.part.begin + units.begin * width, block.part.begin + units.end * width});
      if (is_first) slice.units = units;
    }
    cut_.shares.push_back({block.part, slices});
    return Status::Ok();
  }

  Status CutPadded() {
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t multiple, context_.dims.Evaluate(rule_.pad->multiple, What("pad")));
    const auto step = CheckedMul(multiple, rule_.pad->per_rank ? ranks_ : 1);
    const auto padded = step && *step > 0 ? CheckedMul(CeilDiv(size_, *step), *step) : std::nullopt;
    if (!padded) {
      return Refuse("bad-rule",
                    fmt::format("{}: {} elements cannot be padded to a multiple of {}", name_, size_, multiple));
    }
    if (*padded % ranks_ != 0) return NotDivisible(*padded);
    const std::uint64_t share = *padded / ranks_;
    for (std::uint64_t i = 0; i < ranks_; ++i) {
      AxisSlice& slice = cut_.slices[i];
      const Interval real = {std::min(i * share, size_), std::min((i + 1) * share, size_)};
      slice.parts = {real};
      slice.zeros = share - real.size();
      slice.units = {i * share, (i + 1) * share};
    }
    cut_.shares.push_back({{0, size_}, ranks_});
    return Status::Ok();
  }

  const CutRule& rule_;
  const CutContext& context_;
  const std::string_view name_;
  const std::uint64_t size_;
  const std::uint64_t ranks_;
  AxisCut cut_;
};

// The rows rotated so that the block of each coordinate of ep comes first.
Result<AxisCut> Roll(const CutContext& context, std::string_view name, const Shape& shape) {
  const std::uint64_t experts = context.experts.empty() ? 0 : context.experts.back().end;
  if (shape.empty() || shape[0] != experts) {
    return Refuse("shape", fmt::format("{}: {}, but a router that is rolled has a row for each of the {} experts", name,
                                       ShapeToString(shape), experts));
  }
  AxisCut cut{0, CutGroup::kEp, {}, {{{0, experts}, 1}}};
  for (const Interval& block : context.experts) {
    AxisSlice slice{{{block.begin, experts}}, 0, {0, experts}};
    if (block.begin > 0) slice.parts.push_back({0, block.begin});
    cut.slices.push_back(std::move(slice));
  }
  return cut;
}

}  // namespace

std::optional<std::uint64_t> TensorCut::AxisOf(std::int64_t axis, std::size_t rank) {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis < -count || axis >= count) return std::nullopt;
  return static_cast<std::uint64_t>(axis < 0 ? axis + count : axis);
}

const AxisSlice* TensorCut::SliceOf(std::uint64_t axis, const RankPlace& place) const {
  for (const AxisCut& cut : axes) {
    if (cut.axis == axis) return &cut.slices[RankGrids::CoordinateOf(place, cut.group)];
  }
  return nullptr;
}

Shape TensorCut::ShapeAt(const RankPlace& place) const {
  Shape own = shape;
  for (const AxisCut& cut : axes) {
    const AxisSlice& slice = cut.slices[RankGrids::CoordinateOf(place, cut.group)];
    own[cut.axis] = slice.zeros;
    for (const Interval& part : slice.parts) own[cut.axis] += part.size();
  }
  return own;
}

Result<TensorPtr> TensorCut::Apply(TensorPtr whole, const RankPlace& place) const {
  TensorPtr tensor = std::move(whole);
  for (const AxisCut& cut : axes) {
    const AxisSlice& slice = cut.slices[RankGrids::CoordinateOf(place, cut.group)];
    std::vector<TensorPtr> parts;
    for (const Interval& part : slice.parts) {
      if (slice.parts.size() == 1 && part.size() == shape[cut.axis]) {
        parts.push_back(tensor);
        continue;
      }
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr one, Tensor::Slice(tensor, cut.axis, part.begin, part.end));
      parts.push_back(std::move(one));
    }
    if (parts.size() == 1) {
      tensor = std::move(parts.front());
    } else {
      SHARDFS_ASSIGN_OR_RETURN(tensor, Tensor::Concat(std::move(parts), cut.axis));
    }
    if (slice.zeros == 0) continue;
    SHARDFS_ASSIGN_OR_RETURN(tensor, Tensor::PadZeros(std::move(tensor), cut.axis, 0, slice.zeros));
  }
  return tensor;
}

Result<TensorCut> WorkOut(const Rule& rule, const CutContext& context, std::string_view name, const Shape& shape) {
  TensorCut cut{shape, {}};
  if (rule.rolls) {
    SHARDFS_ASSIGN_OR_RETURN(AxisCut roll, Roll(context, name, shape));
    cut.axes.push_back(std::move(roll));
  }
  for (const CutRule& one : rule.cuts) {
    const auto axis = TensorCut::AxisOf(one.axis, shape.size());
    if (!axis) {
      return Refuse("bad-axis", fmt::format("{}: axis {} of a tensor {} of {} axes", name, one.axis,
                                            ShapeToString(shape), shape.size()));
    }
    const bool twice =
        std::any_of(cut.axes.begin(), cut.axes.end(), [&](const AxisCut& other) { return other.axis == *axis; });
    if (twice) {
      return Refuse("bad-axis", fmt::format("{}: axis {} of {} is cut twice", name, *axis, ShapeToString(shape)));
    }
    SHARDFS_ASSIGN_OR_RETURN(AxisCut axis_cut, AxisCutter(one, context, name, shape[*axis]).Cut(*axis));
    cut.axes.push_back(std::move(axis_cut));
  }
  return cut;
}

}  // namespace shardfs::rank_cut
