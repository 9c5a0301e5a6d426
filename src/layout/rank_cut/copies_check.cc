// An axis that is cut falls into cells between the ends of all slices; the cells of a tensor are the products of those
// of its axes. Each rank that holds the tensor adds one to the cells of its part. A cell must come out at (ranks that
// hold the tensor) / (slices of each axis, multiplied); with 0 it is lost. Tensors of one cut, stage and expert block
// have the same cells, so one of them is counted.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "layout/rank_cut/cut_checks.h"
#include "layout/rank_cut/refusal.h"

namespace shardfs::rank_cut {
namespace {

constexpr std::uint64_t kMostCells = std::uint64_t{1} << 24;

class CellCounter {
 public:
  explicit CellCounter(const TensorCut& cut) : cut_(cut) {
    for (const AxisCut& axis : cut.axes) {
      std::vector<std::uint64_t> borders = {0, cut.shape[axis.axis]};
      for (const AxisShare& share : axis.shares) borders.push_back(share.part.begin);
      for (const AxisSlice& slice : axis.slices) {
        for (const Interval& part : slice.parts) borders.insert(borders.end(), {part.begin, part.end});
      }
      std::sort(borders.begin(), borders.end());
      borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
      borders_.push_back(std::move(borders));
    }
  }

  // Nothing where there are too many.
  std::optional<std::uint64_t> Cells() const {
    std::uint64_t cells = 1;
    for (const auto& borders : borders_) {
      cells *= borders.size() - 1;
      if (cells > kMostCells) return std::nullopt;
    }
    return cells;
  }

  // Calls visit(cell, slices) for each cell: the numbers of slices of its axes, multiplied.
  template <typename Visit>
  void ForAll(const Visit& visit) const {
    ForAll(0, 0, 1, visit);
  }

  void Add(const RankPlace& place, std::vector<std::uint32_t>& counts) const { Add(0, 0, place, counts); }

  // The first element of a cell on each cut axis, for messages.
  std::string Describe(std::uint64_t cell) const {
    std::string text;
    for (std::size_t a = borders_.size(); a-- > 0;) {
      const std::uint64_t along = borders_[a].size() - 1;
      text = fmt::format("axis {} at {}{}{}", cut_.axes[a].axis, borders_[a][cell % along], text.empty() ? "" : ", ",
                         text);
      cell /= along;
    }
    return text.empty() ? "all of it" : text;
  }

 private:
  template <typename Visit>
  void ForAll(std::size_t a, std::uint64_t cell, std::uint64_t slices, const Visit& visit) const {
    if (a == borders_.size()) return visit(cell, slices);
    const std::vector<AxisShare>& shares = cut_.axes[a].shares;
    for (std::size_t i = 0; i + 1 < borders_[a].size(); ++i) {
      const auto share = std::find_if(shares.begin(), shares.end(), [&](const AxisShare& one) {
        return borders_[a][i] >= one.part.begin && borders_[a][i] < one.part.end;
      });
      ForAll(a + 1, cell * (borders_[a].size() - 1) + i, slices * share->slices, visit);
    }
  }

  void Add(std::size_t a, std::uint64_t cell, const RankPlace& place, std::vector<std::uint32_t>& counts) const {
    if (a == borders_.size()) {
      ++counts[cell];
      return;
    }
    const AxisCut& axis = cut_.axes[a];
    for (const Interval& part : axis.slices[RankGrids::CoordinateOf(place, axis.group)].parts) {
      const auto begin = std::lower_bound(borders_[a].begin(), borders_[a].end(), part.begin);
      const auto end = std::lower_bound(begin, borders_[a].end(), part.end);
      for (auto at = begin; at != end; ++at) {
        Add(a + 1, cell * (borders_[a].size() - 1) + static_cast<std::uint64_t>(at - borders_[a].begin()), place,
            counts);
      }
    }
  }

  const TensorCut& cut_;
  std::vector<std::vector<std::uint64_t>> borders_;  // by place in cut.axes; ascending, the ends of the axis included
};

// How many ranks hold a tensor of this stage and block, by the sizes of the grids.
std::uint64_t Holders(const PlacedTensor& tensor, const MeshSizes& sizes) {
  return sizes.world / (tensor.stage ? sizes.pp : 1) / (tensor.expert_block ? sizes.ep : 1);
}

Status CheckOne(const TableInForce& in_force, const PlacedTensor& tensor) {
  const std::uint64_t holders = Holders(tensor, in_force.grids.sizes());
  const CellCounter counter(*tensor.cut);
  const auto cells = counter.Cells();
  if (!cells) return Refuse("bad-rule", fmt::format("{}: it is cut into more than {} parts", tensor.name, kMostCells));
  std::vector<std::uint32_t> counts(*cells);
  for (const RankPlace& place : in_force.grids.ranks()) {
    if (tensor.IsOn(place)) counter.Add(place, counts);
  }
  Status lost;
  Status copies;
  const std::string& rule = in_force.table.rules[tensor.rule].text();
  counter.ForAll([&](std::uint64_t cell, std::uint64_t slices) {
    if (counts[cell] == 0 && lost.ok()) {
      lost = Refuse("lost", fmt::format("{}: {} is on none of the {} ranks that hold parts of it (rule {})",
                                        tensor.name, counter.Describe(cell), holders, rule));
    }
    if (counts[cell] * slices == holders || !copies.ok()) return;
    copies = Refuse("copies", fmt::format("{}: {} is on {} ranks, but {} ranks with {} slices make {:.3g} (rule {})",
                                          tensor.name, counter.Describe(cell), counts[cell], holders, slices,
                                          static_cast<double>(holders) / static_cast<double>(slices), rule));
  });
  return lost.ok() ? copies : lost;
}

}  // namespace

Status CheckCopies(const TableInForce& in_force, const Placement& placement) {
  std::set<std::tuple<const TensorCut*, std::optional<std::uint32_t>, std::optional<std::uint32_t>>> done;
  for (const PlacedTensor& tensor : placement.tensors) {
    if (!done.emplace(tensor.cut, tensor.stage, tensor.expert_block).second) continue;
    SHARDFS_RETURN_IF_ERROR(CheckOne(in_force, tensor));
  }
  return Status::Ok();
}

}  // namespace shardfs::rank_cut
