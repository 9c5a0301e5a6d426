// What the names of a checkpoint's files say about their number: model-00001-of-00002.safetensors alone is half a
// checkpoint, whatever its header has.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace shardfs {

// A set of numbered files of which some are missing.
struct MissingNumbers {
  std::string pattern;             // "model-*-of-00002.safetensors"
  std::size_t total = 0;           // files that the names promise
  std::size_t missing = 0;         // of them
  std::vector<std::string> first;  // names of the missing, ascending; 10 at most
};

// The incomplete sets among `names`, ascending by pattern. Names without "<digits>-of-<digits>" (or _of_) are passed
// over, as is a total above 100,000. Numbers may begin at 0 or at 1.
std::vector<MissingNumbers> FindMissingNumbers(std::span<const std::string> names);

// "1 of the 2 files model-*-of-00002.safetensors is missing ('model-00002-of-00002.safetensors')"
std::string Describe(const MissingNumbers& set);

}  // namespace shardfs
