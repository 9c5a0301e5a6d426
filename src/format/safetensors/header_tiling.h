// How the tensors of one header share the file's data: the rules between entries.
#pragma once

#include <cstdint>
#include <vector>

#include "shardfs/format/safetensors/header.h"

namespace shardfs {

// Sorts the tensors into data order. kCorruption for the first that begins before its predecessor ends; holes are not
// looked for, so that this can be asked in the middle of a header.
Status CheckNoOverlap(std::vector<HeaderTensor>& tensors);

// Sorts the tensors into data order. OK when they fill the file from the data section's begin to its end.
Status CheckTiling(std::uint64_t file_size, Header& header);

}  // namespace shardfs
