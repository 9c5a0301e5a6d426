// StridedView: a tensor whose elements lie in one source, or in the output of one plan, at offsets that are a sum over
// axes. Slices, permutations, row gathers and most reshapes of a view are views again; that is what keeps plans small.
//
// A value type. Each axis is a sequence of GatherDims, outermost first, whose counts multiply to the axis's size (more
// than one after a reshape has merged axes that are not contiguous). Views are never empty: every axis has elements.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "shardfs/tensor/shape.h"
#include "shardfs/tensor/read_plan.h"
#include "tensor/plan_segments.h"

namespace shardfs {

class StridedView {
 public:
  // Row-major `shape` from byte `base` of `source`, or of the output of `plan`.
  static StridedView OverSource(const ByteSource* source, std::uint64_t base, std::uint64_t element_bytes,
                                const Shape& shape);
  static StridedView OverPlan(std::shared_ptr<const ReadPlan> plan, std::uint64_t element_bytes, const Shape& shape);

  // [begin, begin + count) of `axis` as views to be put one behind the other along it: one where the axis is a single
  // dim, up to three per level where the range cuts through merged dims.
  std::vector<StridedView> Slice(std::size_t axis, std::uint64_t begin, std::uint64_t count) const;

  StridedView Permute(std::span<const std::uint64_t> axes) const;
  StridedView RowGather(std::size_t axis, std::span<const std::uint64_t> rows) const;

  // Nothing when the new axes would cut through listed rows or through dims that do not divide.
  std::optional<StridedView> Reshape(const Shape& shape) const;

  std::uint64_t AxisSize(std::size_t axis) const;  // elements

  // The bytes in row-major order, as one segment. False when there are more dims than a pattern holds.
  [[nodiscard]] bool AppendTo(ReadPlanBuilder* builder) const;

 private:
  using Axis = std::vector<GatherDim>;

  std::vector<GatherDim> MergedDims() const;  // all axes' dims, outermost first, neighbours merged, none of count 1

  const ByteSource* source_ = nullptr;
  std::shared_ptr<const ReadPlan> plan_;  // when source_ is null
  std::uint64_t base_ = 0;
  std::uint64_t element_bytes_ = 1;
  std::vector<Axis> axes_;
};

}  // namespace shardfs
