// A MindSpore .ckpt as a virtual file: the text of its entries, and ranges of tensors between them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/format/ckpt/ckpt.h"
#include "shardfs/view/virtual_file.h"

namespace shardfs {

struct PlannedEntry {
  PlannedTensor tensor;
  bool is_int4 = false;  // of kI8 alone: each byte holds two values
};

// The file of kind kEntries that LayOutCkpt describes for these tensors, in their order. `keep_alive` owns the sources.
// Fails as LayOutCkpt does.
Result<std::unique_ptr<const VirtualFile>> MakeEntriesFile(std::vector<PlannedEntry> entries, std::uint64_t chunk,
                                                           std::shared_ptr<const void> keep_alive);

}  // namespace shardfs
