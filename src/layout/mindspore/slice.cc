// A layout becomes device dims and, for each axis, the dims that split it. Model parallelism says these itself. An
// optimizer shard adds to axis 0 the device dims that no axis uses, from the last until the shard's size is reached; of
// a dim that is larger than what is left, the inner part counts, so the dim is cut in two. The part of a device is then
// its coordinates' mixed radix, as it is for every other split.
//
// MindSpore's tools do the same, but for flat maps whose only free dim is the outermost one, or whose dims are all
// free: there they number the devices anew, as [repetitions, shard, parts of axis 0, parts of axis 1, ...]. That is
// another order where axes and their device dims are in different order.
#include "layout/mindspore/slice.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "shardfs/base/checked_math.h"

namespace shardfs {

class SliceGridBuilder {
 public:
  SliceGridBuilder(const ParameterLayout& layout, Placement placement) : layout_(layout), placement_(placement) {}

  Result<SliceGrid> Build() {
    grid_.devices_ = DevicesOf(layout_);
    grid_.dims_.assign(layout_.device_matrix.begin(), layout_.device_matrix.end());
    TakeMap();
    if (layout_.shard_step == 0 && layout_.shard_size > 1) {
      return Wrong(fmt::format("the step of the optimizer shard is 0, and its size {}", layout_.shard_size));
    }
    if (layout_.shard_step != 0 && layout_.shard_size != 0) SHARDFS_RETURN_IF_ERROR(TakeShard());
    grid_.Finish();
    return std::move(grid_);
  }

 private:
  Status Wrong(const std::string& what) const {
    return Status::Corruption(fmt::format("{} ({})", what, DescribeLayout(layout_)));
  }

  void TakeMap() {
    const auto dims = static_cast<std::int32_t>(layout_.device_matrix.size());
    std::vector<bool> is_used(layout_.device_matrix.size(), false);
    for (const auto& axis : layout_.tensor_map) {
      auto& split = grid_.split_by_.emplace_back();
      std::uint64_t parts = 1;
      for (const std::int32_t number : axis) {
        if (number < 0) continue;
        const auto dim = static_cast<std::uint32_t>(dims - 1 - number);
        split.push_back(dim);
        is_used[dim] = true;
        parts *= layout_.device_matrix[dim];
      }
      parts_.push_back(parts);
    }
    for (std::uint32_t dim = 0; dim < is_used.size(); ++dim) {
      if (!is_used[dim] && layout_.device_matrix[dim] > 1) free_.push_back(dim);
    }
  }

  std::uint64_t Replicas() const {
    return std::accumulate(free_.begin(), free_.end(), std::uint64_t{1},
                           [&](std::uint64_t product, std::uint32_t dim) { return product * grid_.dims_[dim]; });
  }

  // The number of devices between neighbours of a dim.
  std::uint64_t StrideOf(std::uint32_t dim) const {
    return std::accumulate(grid_.dims_.begin() + dim + 1, grid_.dims_.end(), std::uint64_t{1}, std::multiplies<>());
  }

  Status TakeShard() {
    if (layout_.tensor_map.empty()) return Wrong("a tensor without axes has an optimizer shard");
    if (free_.empty()) return Wrong("there is an optimizer shard, and no device dim is left for it");
    if (layout_.shard_size < -1 || layout_.shard_step < 0) return Wrong("the optimizer shard has a negative number");
    const std::uint64_t replicas = Replicas();
    const std::uint64_t size = layout_.shard_size == -1 ? replicas : static_cast<std::uint64_t>(layout_.shard_size);
    const auto step = static_cast<std::uint64_t>(layout_.shard_step);
    if (size > replicas) {
      return Wrong(fmt::format("the optimizer shard is of {} devices, and {} hold the same slice", size, replicas));
    }
    if (!layout_.is_nested && free_.size() == 1 && StrideOf(free_[0]) != step) {
      return Wrong(fmt::format("the step of the optimizer shard is {}, and that of its device dim {}", step,
                               StrideOf(free_[0])));
    }
    grid_.shard_size_ = size;
    const bool is_outermost = free_.size() == 1 && free_[0] == 0;
    if (layout_.is_nested || (!is_outermost && free_.size() != layout_.device_matrix.size())) {
      return TakeCarriers(size);
    }
    SliceGrid as_trained = grid_;
    SHARDFS_RETURN_IF_ERROR(TakeCarriers(size));
    std::swap(as_trained, grid_);
    SHARDFS_RETURN_IF_ERROR(Renumber(size, step));
    grid_.placements_differ_ = as_trained.placements_differ_ = !AscendsByAxis();
    if (placement_ == Placement::kTools) return Status::Ok();
    grid_ = std::move(as_trained);
    return Status::Ok();
  }

  // Whether the device dims of the axes, in the order of the axes, are in the order of the devices too. Numbering them
  // anew changes nothing then.
  bool AscendsByAxis() const {
    std::uint32_t next = 0;
    for (const auto& axis : layout_.tensor_map) {
      for (const std::int32_t number : axis) {
        const auto dim =
            static_cast<std::uint32_t>(static_cast<std::int32_t>(layout_.device_matrix.size()) - 1 - number);
        if (number < 0 || layout_.device_matrix[dim] == 1) continue;
        if (dim < next) return false;
        next = dim;
      }
    }
    return true;
  }

  Status TakeCarriers(std::uint64_t size) {
    std::uint64_t left = size;
    std::vector<std::uint32_t> carriers;  // the last first
    for (auto dim = free_.rbegin(); dim != free_.rend() && left > 1; ++dim) {
      const std::uint64_t devices = grid_.dims_[*dim];
      if (left % devices == 0) {
        left /= devices;
        carriers.push_back(*dim);
      } else if (devices % left == 0) {
        CutDim(*dim, left, carriers);
        left = 1;
      } else {
        break;
      }
    }
    if (left > 1) {
      return Wrong(fmt::format("an optimizer shard of {} devices does not divide the device dims that are left", size));
    }
    grid_.split_by_[0].insert(grid_.split_by_[0].end(), carriers.rbegin(), carriers.rend());
    return Status::Ok();
  }

  // Puts [devices / inner, inner] in the place of `dim`. The inner one carries the shard.
  void CutDim(std::uint32_t dim, std::uint64_t inner, std::vector<std::uint32_t>& carriers) {
    const std::uint64_t outer = grid_.dims_[dim] / inner;
    if (outer == 1) {
      carriers.push_back(dim);
      return;
    }
    grid_.dims_[dim] = outer;
    grid_.dims_.insert(grid_.dims_.begin() + dim + 1, inner);
    for (auto& split : grid_.split_by_) {
      for (std::uint32_t& used : split) used += used > dim ? 1 : 0;
    }
    for (std::uint32_t& carrier : carriers) carrier += carrier > dim ? 1 : 0;
    carriers.push_back(dim + 1);
  }

  Status Renumber(std::uint64_t size, std::uint64_t step) {
    const std::uint64_t repetitions = grid_.devices_ / (step * size);
    std::vector<std::uint64_t> dims;
    if (repetitions > 1) dims.push_back(repetitions);
    const auto shard = static_cast<std::uint32_t>(dims.size());
    dims.push_back(size);
    for (std::size_t axis = 0; axis < parts_.size(); ++axis) {
      grid_.split_by_[axis] = {static_cast<std::uint32_t>(dims.size())};
      dims.push_back(parts_[axis]);
    }
    grid_.split_by_[0].push_back(shard);
    const std::uint64_t product = std::accumulate(dims.begin(), dims.end(), std::uint64_t{1}, std::multiplies<>());
    if (product != grid_.devices_) {
      return Wrong(fmt::format("an optimizer shard of {} devices at step {} does not make up {} devices", size, step,
                               grid_.devices_));
    }
    grid_.dims_ = std::move(dims);
    return Status::Ok();
  }

  const ParameterLayout& layout_;
  const Placement placement_;
  SliceGrid grid_;
  std::vector<std::uint64_t> parts_;  // of each axis, without the shard
  std::vector<std::uint32_t> free_;   // device dims larger than 1 that no axis uses, ascending
};

SliceGrid SliceGrid::Whole(std::size_t axes) {
  SliceGrid grid;
  grid.dims_ = {1};
  grid.split_by_.resize(axes);
  grid.Finish();
  return grid;
}

Result<SliceGrid> SliceGrid::Create(const ParameterLayout& layout, Placement placement) {
  return SliceGridBuilder(layout, placement).Build();
}

void SliceGrid::Finish() {
  strides_.assign(dims_.size(), 1);
  for (std::size_t dim = dims_.size(); dim-- > 1;) strides_[dim - 1] = strides_[dim] * dims_[dim];
  for (const auto& split : split_by_) {
    std::uint64_t parts = 1;
    for (const std::uint32_t dim : split) parts *= dims_[dim];
    counts_.push_back(parts);
    cells_ *= parts;  // each device dim is used once, so that it is at most devices_
  }
}

std::uint64_t SliceGrid::CellOf(std::uint32_t device) const {
  const std::uint64_t own = device % devices_;
  std::uint64_t cell = 0;
  for (const auto& split : split_by_) {
    for (const std::uint32_t dim : split) cell = cell * dims_[dim] + own / strides_[dim] % dims_[dim];
  }
  return cell;
}

std::vector<std::uint32_t> SliceGrid::FirstDevices() const {
  constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::vector<std::uint32_t> first(cells_, kNone);
  for (std::uint32_t device = 0; device < devices_; ++device) {
    std::uint32_t& place = first[CellOf(device)];
    if (place == kNone) place = device;
  }
  return first;
}

Result<Shape> SliceGrid::FullShape(const Shape& slice) const {
  if (slice.size() != axes()) {
    return Status::Corruption(
        fmt::format("its slices have shape {}, and its strategy is for {} axes", ShapeToString(slice), axes()));
  }
  Shape full(axes());
  for (std::size_t axis = 0; axis < axes(); ++axis) {
    const auto size = CheckedMul(slice[axis], counts_[axis]);
    if (!size) return Status::Corruption(fmt::format("axis {} is too large when it is put together", axis));
    full[axis] = *size;
  }
  SHARDFS_RETURN_IF_ERROR(ElementCount(full).status());
  return full;
}

Result<Shape> SliceGrid::SliceShape(const Shape& full) const {
  if (full.size() != axes()) {
    return Status::InvalidArgument(
        fmt::format("its shape is {}, and the strategy is for {} axes", ShapeToString(full), axes()));
  }
  Shape slice(axes());
  for (std::size_t axis = 0; axis < axes(); ++axis) {
    if (full[axis] % counts_[axis] != 0) {
      return Status::InvalidArgument(fmt::format("axis {} of its shape {} does not divide into the strategy's {} parts",
                                                 axis, ShapeToString(full), counts_[axis]));
    }
    slice[axis] = full[axis] / counts_[axis];
  }
  return slice;
}

Box SliceGrid::BoxOf(std::uint64_t cell, const Shape& full) const {
  Box box{std::vector<std::uint64_t>(axes()), std::vector<std::uint64_t>(axes())};
  for (std::size_t axis = axes(); axis-- > 0;) {
    const std::uint64_t size = full[axis] / counts_[axis];
    box.begin[axis] = cell % counts_[axis] * size;
    box.end[axis] = box.begin[axis] + size;
    cell /= counts_[axis];
  }
  return box;
}

}  // namespace shardfs
