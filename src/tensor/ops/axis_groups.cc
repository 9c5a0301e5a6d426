#include "tensor/ops/axis_groups.h"

namespace shardfs {

std::vector<AxisGroup> GroupAxes(const Shape& from, const Shape& to) {
  std::vector<AxisGroup> groups;
  std::size_t f = 0;
  std::size_t t = 0;
  while (f < from.size() || t < to.size()) {
    if (f < from.size() && t < to.size() && from[f] == to[t]) {
      groups.push_back({f++, 1, t++, 1});
    } else if (f < from.size() && from[f] == 1) {
      groups.push_back({f++, 1, t, 0});
    } else if (t < to.size() && to[t] == 1) {
      groups.push_back({f, 0, t++, 1});
    } else {
      AxisGroup group{f, 1, t, 1};
      std::uint64_t left = from[f++];
      std::uint64_t right = to[t++];
      while (left != right) {
        if (left < right) {
          left *= from[f++];
          ++group.from_count;
        } else {
          right *= to[t++];
          ++group.to_count;
        }
      }
      groups.push_back(group);
    }
  }
  return groups;
}

}  // namespace shardfs
