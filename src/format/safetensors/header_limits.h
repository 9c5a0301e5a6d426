// The limits that the header's reader and writer share. (TRUST section 2; header.h gives them in words)
#pragma once

#include <cstddef>
#include <cstdint>

namespace shardfs {

inline constexpr std::uint64_t kMaxHeaderNumber = (std::uint64_t{1} << 48) - 1;  // sizes and offsets
inline constexpr std::size_t kMaxRank = 16;
inline constexpr std::size_t kMaxTensorNameBytes = 4096;

// So that the memory of a parse stays within a few times the header's size: an entry of __metadata__ can take 7 bytes
// of JSON and takes 64 in memory.
inline constexpr std::size_t kMaxMetadataEntries = 65536;

// Tensors of one file, many times what any has: bounds the time that a header can take, and its memory.
inline constexpr std::size_t kMaxTensors = std::size_t{1} << 20;

// The shortest entry of a tensor: "":{"dtype":"U8","shape":[],"data_offsets":[0,0]} and a comma.
inline constexpr std::size_t kMinEntryBytes = 50;

inline constexpr char kMetadataKey[] = "__metadata__";

}  // namespace shardfs
