// CheckedIndex: what an index of the directory (*.safetensors.index.json) says, held against the files' headers.
//
// The headers are the truth: they say where the bytes lie. An index that disagrees with them is kept with its defects,
// and the layout decides: one whose engine reads the headers alone says so in a warning, one that needs a true index
// refuses.
//
// Immutable once its Checkpoint is open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shardfs {

// The index that loaders go by.
inline constexpr char kIndexName[] = "model.safetensors.index.json";

// What an index says wrong, or does not say, about one file.
struct IndexDefect {
  enum class Kind : std::uint8_t {
    kMissingFile,   // it names `file`, which is not in the directory
    kNoSuchTensor,  // it maps tensors to `file` that no header has
    kOtherFile,     // it maps tensors to `file`, which is there, but other files have them
    kNotMapped,     // it does not map tensors that `file` holds
  };
  Kind kind;
  std::string file;
  std::size_t tensors = 0;  // how many of them
  std::string example;      // the first of them by name
  std::string holder;       // kOtherFile: the file that has the example
};

struct CheckedIndex {
  struct Mapping {
    std::string tensor;
    std::uint32_t file;          // in `files`
    std::uint32_t position = 0;  // among the keys of the map, from 0
  };

  std::string name;
  std::vector<std::string> files;    // that it names, ascending; in the directory or not
  std::vector<IndexDefect> defects;  // ascending by kind, then by file
  std::vector<Mapping> lost;         // what it maps and no header has, ascending by tensor
  std::vector<std::uint32_t> order;  // the tensors that it maps to the file that holds them, in the order of its keys

  bool Names(std::string_view file) const;

  // The file to which it maps a tensor that no header has; nullptr for any other tensor.
  const std::string* FileOfLost(std::string_view tensor) const;
};

// Each kind once, with how many and an example, to follow the index's name: "names 2 files that are missing ('b'
// among them); it does not map ...".
std::string DescribeIndexDefects(std::span<const IndexDefect> defects);

}  // namespace shardfs
