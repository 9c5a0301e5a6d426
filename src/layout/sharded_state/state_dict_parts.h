// The files that a rank's state dict is stored in.
// Source: spec/sharded-state.md, section 5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace shardfs {

// Groups indices of `sizes` (bytes, in the order of the state dict) into parts, as the engines' savers do: a part that
// would grow past the limit is closed, also while it is empty, and no tensor is split.
std::vector<std::vector<std::size_t>> PackParts(std::span<const std::uint64_t> sizes, std::uint64_t max_bytes);

std::string PartFileName(std::uint32_t rank, std::size_t part);  // "model-rank-0-part-1.safetensors"

}  // namespace shardfs
