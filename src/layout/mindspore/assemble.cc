#include "layout/mindspore/assemble.h"

#include <utility>
#include <vector>

namespace shardfs {
namespace {

// Axis by axis, the outermost first: what lies in the box at each of the axis's parts, one behind the other.
class Assembler {
 public:
  Assembler(const SliceGrid& grid, const Shape& full, const Box& box, const CellBuilder& build)
      : grid_(grid), full_(full), box_(box), build_(build) {}

  // The part of the box whose cells begin with `cell` along the axes before `axis`.
  Result<TensorPtr> Assemble(std::size_t axis, std::uint64_t cell) const {
    if (axis == full_.size()) return build_(cell);
    const std::uint64_t count = grid_.counts()[axis];
    const std::uint64_t size = full_[axis] / count;
    const std::uint64_t begin = box_.begin[axis];
    const std::uint64_t end = box_.end[axis];
    // Every part of an axis of no size is empty, and one stands for all.
    const std::uint64_t first = size == 0 ? 0 : begin / size;
    const std::uint64_t last = size == 0 || end == begin ? first : (end - 1) / size;
    std::vector<TensorPtr> parts;
    for (std::uint64_t part = first; part <= last; ++part) {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr tensor, Assemble(axis + 1, cell * count + part));
      const std::uint64_t from = begin > part * size ? begin - part * size : 0;
      const std::uint64_t to = end < (part + 1) * size ? end - part * size : size;
      if (from != 0 || to != size) {
        SHARDFS_ASSIGN_OR_RETURN(tensor, Tensor::Slice(std::move(tensor), axis, from, to));
      }
      parts.push_back(std::move(tensor));
    }
    if (parts.size() == 1) return std::move(parts.front());
    return Tensor::Concat(std::move(parts), axis);
  }

 private:
  const SliceGrid& grid_;
  const Shape& full_;
  const Box& box_;
  const CellBuilder& build_;
};

}  // namespace

Result<TensorPtr> AssembleBox(const SliceGrid& grid, const Shape& full, const Box& box, const CellBuilder& build) {
  return Assembler(grid, full, box, build).Assemble(0, 0);
}

Box WholeBox(const Shape& full) { return {std::vector<std::uint64_t>(full.size(), 0), full}; }

}  // namespace shardfs
