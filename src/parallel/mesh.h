// Mesh: ranks as points of a grid: a rank's coordinates on named axes, counted in a named order.
//
// The first axis varies fastest: with axes tp 4 and pp 2, rank 5 has tp 1 and pp 1. No engine's own rules: which axes
// there are, and how large each is, the caller says.
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

struct MeshAxis {
  std::string name;
  std::uint64_t size = 1;
};

class Mesh {
 public:
  static constexpr std::uint64_t kMostRanks = 16384;

  // The axes in the order of `order`, "tp-dp-pp", the fastest first. An axis that it lacks comes behind the others,
  // which tells nothing of its place and so needs a size of 1; a name in `order` that is no axis, or stands there
  // twice, is refused. kInvalidArgument also for more than kMostRanks ranks, or an axis of size 0.
  static Result<Mesh> Create(std::span<const MeshAxis> axes, std::string_view order);

  std::uint32_t size() const { return size_; }
  std::span<const MeshAxis> axes() const { return axes_; }  // the fastest first

  // The coordinate of `rank` on the axis of that name, which the mesh has.
  std::uint32_t CoordinateOf(std::uint32_t rank, std::string_view axis) const;

 private:
  std::vector<MeshAxis> axes_;
  std::uint32_t size_ = 1;
};

}  // namespace shardfs
