#include "tensor/strided_view.h"

#include <algorithm>

#include "shardfs/base/checked_math.h"
#include "tensor/compute_kernels.h"

namespace shardfs {
namespace {

std::uint64_t CountOf(std::span<const GatherDim> dims) {
  std::uint64_t count = 1;
  for (const GatherDim& dim : dims) count *= dim.count;
  return count;
}

std::vector<std::vector<GatherDim>> RowMajorAxes(const Shape& shape, std::uint64_t element_bytes) {
  std::vector<std::vector<GatherDim>> axes(shape.size());
  std::uint64_t stride = element_bytes;
  for (std::size_t a = shape.size(); a-- > 0;) {
    if (shape[a] != 1) axes[a].push_back({.count = shape[a], .stride = stride, .table = nullptr});
    stride *= shape[a];
  }
  return axes;
}

// A dim for a list of offsets, of which *base absorbs the smallest; a list in even ascending steps needs no table.
GatherDim DimOf(std::vector<std::uint64_t> offsets, std::uint64_t* base) {
  const std::uint64_t smallest = *std::min_element(offsets.begin(), offsets.end());
  *base += smallest;
  for (std::uint64_t& offset : offsets) offset -= smallest;
  const std::uint64_t count = offsets.size();
  const std::uint64_t step = count > 1 ? offsets[1] : 0;
  bool regular = count <= 1 || step > 0;
  for (std::uint64_t i = 0; regular && i < count; ++i) regular = offsets[i] == i * step;
  if (regular) return {.count = count, .stride = step, .table = nullptr};
  return {.count = count, .stride = 0, .table = std::make_shared<const std::vector<std::uint64_t>>(std::move(offsets))};
}

// Splits a dim of count a * inner into {a, inner}; nothing when a table does not repeat itself that way.
std::optional<std::pair<GatherDim, GatherDim>> SplitDim(const GatherDim& dim, std::uint64_t inner) {
  const std::uint64_t outer = dim.count / inner;
  if (!dim.table) {
    return std::pair{GatherDim{outer, dim.stride * inner, nullptr}, GatherDim{inner, dim.stride, nullptr}};
  }
  // Differences are taken modulo 2^64: a table need not ascend.
  const std::vector<std::uint64_t>& table = *dim.table;
  for (std::uint64_t i = 0; i < dim.count; ++i) {
    if (table[i] - table[i - i % inner] != table[i % inner] - table[0]) return std::nullopt;
  }
  std::uint64_t base = 0;
  std::vector<std::uint64_t> outer_offsets;
  for (std::uint64_t i = 0; i < outer; ++i) outer_offsets.push_back(table[i * inner]);
  std::vector<std::uint64_t> inner_offsets(table.begin(), table.begin() + static_cast<std::ptrdiff_t>(inner));
  GatherDim outer_dim = DimOf(std::move(outer_offsets), &base);
  GatherDim inner_dim = DimOf(std::move(inner_offsets), &base);
  // table[i*inner + j] = outer[i] + inner[j] - table[0]. Both minima are taken out into `base`, and base - table[0] is
  // the table's own minimum, which is 0: nothing is left to add.
  return std::pair{std::move(outer_dim), std::move(inner_dim)};
}

}  // namespace

StridedView StridedView::OverSource(const ByteSource* source, std::uint64_t base, std::uint64_t element_bytes,
                                    const Shape& shape) {
  StridedView view;
  view.source_ = source;
  view.base_ = base;
  view.element_bytes_ = element_bytes;
  view.axes_ = RowMajorAxes(shape, element_bytes);
  return view;
}

StridedView StridedView::OverPlan(std::shared_ptr<const ReadPlan> plan, std::uint64_t element_bytes,
                                  const Shape& shape) {
  StridedView view = OverSource(nullptr, 0, element_bytes, shape);
  view.plan_ = std::move(plan);
  return view;
}

std::vector<StridedView> StridedView::Slice(std::size_t axis, std::uint64_t begin, std::uint64_t count) const {
  const Axis& dims = axes_[axis];
  if (count == CountOf(dims)) return {*this};
  if (dims.size() == 1) {
    StridedView view = *this;
    if (!dims[0].table) {
      view.base_ += begin * dims[0].stride;
      view.axes_[axis] = {{count, dims[0].stride, nullptr}};
    } else {
      const auto first = dims[0].table->begin() + static_cast<std::ptrdiff_t>(begin);
      view.axes_[axis] = {DimOf({first, first + static_cast<std::ptrdiff_t>(count)}, &view.base_)};
    }
    return {std::move(view)};
  }
  // Merged dims: the part of the range before the first whole place of the outermost dim, the whole places, the rest.
  const std::uint64_t inner = CountOf(std::span(dims).subspan(1));
  std::vector<StridedView> parts;
  const auto append_within = [&](std::uint64_t place, std::uint64_t from, std::uint64_t size) {
    StridedView view = *this;
    view.base_ += dims[0].OffsetOf(place);
    view.axes_[axis].erase(view.axes_[axis].begin());
    for (StridedView& part : view.Slice(axis, from, size)) parts.push_back(std::move(part));
  };
  const std::uint64_t end = begin + count;
  if (begin / inner == (end - 1) / inner && count < inner) {
    append_within(begin / inner, begin % inner, count);
    return parts;
  }
  const std::uint64_t first_whole = CeilDiv(begin, inner);
  const std::uint64_t end_whole = end / inner;
  if (begin % inner != 0) append_within(begin / inner, begin % inner, inner - begin % inner);
  if (first_whole < end_whole) {
    StridedView outer = *this;
    outer.axes_[axis] = {dims[0]};
    StridedView view = std::move(outer.Slice(axis, first_whole, end_whole - first_whole).front());
    view.axes_[axis].insert(view.axes_[axis].end(), dims.begin() + 1, dims.end());
    parts.push_back(std::move(view));
  }
  if (end % inner != 0) append_within(end_whole, 0, end % inner);
  return parts;
}

StridedView StridedView::Permute(std::span<const std::uint64_t> axes) const {
  StridedView view = *this;
  for (std::size_t a = 0; a < axes.size(); ++a) view.axes_[a] = axes_[axes[a]];
  return view;
}

StridedView StridedView::RowGather(std::size_t axis, std::span<const std::uint64_t> rows) const {
  std::vector<std::uint64_t> offsets;
  offsets.reserve(rows.size());
  for (const std::uint64_t row : rows) offsets.push_back(OffsetOfPlace(axes_[axis], row));
  StridedView view = *this;
  view.axes_[axis] = {DimOf(std::move(offsets), &view.base_)};
  return view;
}

std::uint64_t StridedView::AxisSize(std::size_t axis) const { return CountOf(axes_[axis]); }

std::vector<GatherDim> StridedView::MergedDims() const {
  std::vector<GatherDim> merged;
  for (const Axis& axis : axes_) {
    for (const GatherDim& dim : axis) {
      if (dim.count == 1) continue;  // its one offset is 0
      GatherDim* last = merged.empty() ? nullptr : &merged.back();
      if (last != nullptr && !last->table && !dim.table && last->stride == dim.count * dim.stride) {
        *last = {last->count * dim.count, dim.stride, nullptr};
      } else {
        merged.push_back(dim);
      }
    }
  }
  return merged;
}

std::optional<StridedView> StridedView::Reshape(const Shape& shape) const {
  std::vector<GatherDim> dims = MergedDims();
  StridedView view = *this;
  view.axes_.assign(shape.size(), {});
  for (std::size_t a = shape.size(); a-- > 0;) {
    std::uint64_t wanted = shape[a];
    Axis& axis = view.axes_[a];
    while (wanted > 1) {
      GatherDim dim = std::move(dims.back());
      dims.pop_back();
      if (wanted % dim.count == 0) {
        wanted /= dim.count;
        axis.insert(axis.begin(), std::move(dim));
        continue;
      }
      if (dim.count % wanted != 0) return std::nullopt;
      auto split = SplitDim(dim, wanted);
      if (!split) return std::nullopt;
      dims.push_back(std::move(split->first));
      axis.insert(axis.begin(), std::move(split->second));
      wanted = 1;
    }
  }
  return view;
}

bool StridedView::AppendTo(ReadPlanBuilder* builder) const {
  GatherPattern pattern{.source = source_, .base = base_, .dims = MergedDims(), .run = element_bytes_};
  if (!pattern.dims.empty() && !pattern.dims.back().table && pattern.dims.back().stride == element_bytes_) {
    pattern.run *= pattern.dims.back().count;
    pattern.dims.pop_back();
  }
  if (pattern.dims.size() > kMaxGatherDims) return false;
  if (source_ == nullptr) {
    const bool whole = pattern.dims.empty() && base_ == 0 && pattern.run == plan_->size();
    if (whole) {
      builder->AppendPlan(*plan_);
    } else {
      builder->AppendCompute(std::make_shared<const StridedKernel>(*plan_, std::move(pattern)));
    }
  } else if (pattern.dims.empty()) {
    builder->AppendCopy(source_, base_, pattern.run);
  } else {
    builder->AppendGather(std::make_shared<const GatherPattern>(std::move(pattern)));
  }
  return true;
}

}  // namespace shardfs
