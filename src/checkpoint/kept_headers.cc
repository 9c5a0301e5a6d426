#include "checkpoint/kept_headers.h"

#include <algorithm>

namespace shardfs {

bool KeepsHeaders(const Checkpoint& checkpoint) {
  const auto transforms = checkpoint.transforms();
  return std::all_of(transforms.begin(), transforms.end(), [](const auto& transform) { return transform.keeps_headers; });
}

}  // namespace shardfs
