#include "layout/sharded_state/state_dict_parts.h"

#include <fmt/format.h>

namespace shardfs {

std::vector<std::vector<std::size_t>> PackParts(std::span<const std::uint64_t> sizes, std::uint64_t max_bytes) {
  std::vector<std::vector<std::size_t>> parts(1);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (bytes > max_bytes || sizes[i] > max_bytes - bytes) {
      parts.emplace_back();
      bytes = 0;
    }
    parts.back().push_back(i);
    bytes += sizes[i];
  }
  return parts;
}

std::string PartFileName(std::uint32_t rank, std::size_t part) {
  return fmt::format("model-rank-{}-part-{}.safetensors", rank, part);
}

}  // namespace shardfs
