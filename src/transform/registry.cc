#include <array>

#include "shardfs/transform/transform.h"
#include "transform/select.h"

namespace shardfs {

// One line a transform, in the order of application.
std::span<const Transform* const> Transforms() {
  static const SelectTransform select;
  static const std::array<const Transform*, 1> all = {
      &select,
  };
  return all;
}

}  // namespace shardfs
