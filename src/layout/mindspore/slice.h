// SliceGrid: which part of a tensor each device of a stage holds. A layout cuts every axis into equal parts, and the
// parts of all axes make a grid of equal cells; a device holds one cell, and several devices may hold the same.
// (spec/mindspore.md, section 2)
//
// Immutable; may be shared among threads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "layout/mindspore/parameter_layout.h"
#include "shardfs/base/result.h"
#include "shardfs/tensor/shape.h"

namespace shardfs {

// Which rank holds which part where MindSpore's tools decode an optimizer shard in another order than training lays it
// out. (spec/mindspore.md, section 2.6)
enum class Placement : std::uint8_t { kTools, kTraining };

// A range on each axis of a full tensor.
struct Box {
  std::vector<std::uint64_t> begin;
  std::vector<std::uint64_t> end;
};

class SliceGrid {
 public:
  // One device that holds all, of tensors of `axes` axes.
  static SliceGrid Whole(std::size_t axes);

  // `layout` has passed CheckParameterLayout. kCorruption for an optimizer shard that does not fit the replicas, which
  // MindSpore refuses as well, or would write nonsense for.
  static Result<SliceGrid> Create(const ParameterLayout& layout, Placement placement);

  std::size_t axes() const { return counts_.size(); }
  std::uint32_t devices() const { return devices_; }
  std::span<const std::uint64_t> counts() const { return counts_; }  // the parts of each axis
  std::uint64_t cells() const { return cells_; }                     // the product of counts()
  std::uint64_t shard_size() const { return shard_size_; }           // of the optimizer shard; 1 where there is none

  // Whether MindSpore's tools place slices elsewhere than training does.
  bool placements_differ() const { return placements_differ_; }

  // The cell of a device: row-major in the grid. `device` counts modulo devices().
  std::uint64_t CellOf(std::uint32_t device) const;

  // The lowest device of each cell, by cell.
  std::vector<std::uint32_t> FirstDevices() const;

  // kCorruption where the slice has another number of axes than the layout, or its full tensor would be too large.
  Result<Shape> FullShape(const Shape& slice) const;

  // kInvalidArgument where an axis of the full tensor does not divide.
  Result<Shape> SliceShape(const Shape& full) const;

  // `full` has the grid's axes, and divides.
  Box BoxOf(std::uint64_t cell, const Shape& full) const;

  // The device dims, and for each axis those that split it, the most significant first, as the slices are really laid
  // out: an optimizer shard is part of axis 0.
  std::span<const std::uint64_t> device_dims() const { return dims_; }
  std::span<const std::vector<std::uint32_t>> split_by() const { return split_by_; }

 private:
  friend class SliceGridBuilder;

  void Finish();

  std::vector<std::uint64_t> dims_;
  std::vector<std::uint64_t> strides_;  // of each of dims_, in devices
  std::vector<std::vector<std::uint32_t>> split_by_;
  std::vector<std::uint64_t> counts_;
  std::uint64_t cells_ = 1;
  std::uint64_t shard_size_ = 1;
  std::uint32_t devices_ = 1;
  bool placements_differ_ = false;
};

}  // namespace shardfs
