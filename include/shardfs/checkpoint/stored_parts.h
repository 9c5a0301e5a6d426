// StoredParts: the files of a source as they are stored, each with its own tensors, for layouts that hand them on: file
// by file, or rank by rank. A tensor of one file may be a slice of the checkpoint's tensor of that name, and two files
// may have tensors of one name.
//
// A reader whose files say more (the rank that one belongs to) derives its own class, which the layouts in its folder
// know. Only the checkpoint that a reader opens has parts: a transform changes tensors, and clears them.
//
// Immutable; const members from any number of threads. Held by shared_ptr; what it returns lives as long as it does.
#pragma once

#include <cstddef>
#include <string_view>

#include "shardfs/base/result.h"
#include "shardfs/format/safetensors/header.h"
#include "shardfs/tensor/state_dict.h"

namespace shardfs {

class StoredParts {
 public:
  virtual ~StoredParts() = default;

  virtual std::size_t file_count() const = 0;

  // The name of file `index` in the checkpoint's sources: "rank_0/model_rank_0-1_10.safetensors".
  virtual std::string_view FileName(std::size_t index) const = 0;

  // What its header says beside its tensors.
  virtual const FileMetadata& MetadataOf(std::size_t index) const = 0;

  // Its tensors in the order in which they lie in it; made anew by each call. The caller keeps this alive.
  virtual StateDictPtr TensorsOf(std::size_t index) const = 0;
};

}  // namespace shardfs
