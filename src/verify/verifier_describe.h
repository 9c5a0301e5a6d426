// What differs between a file of the view and its counterpart, as a Difference: the part of a comparison that knows
// about headers, tensors, lines and JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "verify/verifier_file.h"
#include "shardfs/base/result.h"
#include "shardfs/verify/verifier.h"

namespace shardfs {

// Bytes in front of the data of a file of kind kTensors: all of it when it has no tensors.
std::uint64_t HeaderBytes(const VirtualFile& file);

// For a file of tensors whose header is another; `offset` is the first byte that differs, at most the found size.
Result<Difference> DescribeHeader(const FilePair& pair, std::uint64_t offset);

// For the first byte that differs, behind the header in a file of tensors.
Result<Difference> DescribeByte(const FilePair& pair, std::uint64_t offset);

// For a file of another size. `offset` is the first byte that differs within the smaller size, if that is known.
Result<Difference> DescribeSize(const FilePair& pair, std::optional<std::uint64_t> offset);

// Compares both sides as JSON without regard to order; nothing when they are equal.
Result<std::optional<Difference>> CompareJson(const FilePair& pair, const std::set<std::string>& optional_keys,
                                              const std::set<std::string>& free_members);

}  // namespace shardfs
