// ContentCheck: a question about tensor bytes that headers do not answer, asked by `plan --check`. A reader asks about
// its source (do replicas agree?), a layout about what it shows (would the engine misread a value?).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

// The answer, where it is no error.
struct CheckAnswer {
  std::string text;                                           // for a person: lines, each with its newline
  std::vector<std::pair<std::string, std::uint64_t>> counts;  // by name: {"tensors", 4}
  std::string names_key;                                      // what `names` are, in JSON
  std::vector<std::string> names;                             // the first few that the answer is about
  bool differs = false;                                       // the source contradicts itself: exit code 4
};

struct ContentCheck {
  std::string name;  // the key of its answer in JSON
  // Reads tensor bytes, in parallel. The Status of the first read that fails. Valid as long as the checkpoint or view that holds the check.
  std::function<Result<CheckAnswer>()> ask;
};

}  // namespace shardfs
