// A safetensors file of the source with other bytes in some of its tensors: the header is the source's own.
#pragma once

#include <memory>
#include <vector>

#include "shardfs/view/virtual_file.h"

namespace shardfs {

// `header` is the source's, up to its data; `tensors` are in its order of data, with its dtypes and shapes.
// `keep_alive` owns the sources.
std::unique_ptr<const VirtualFile> MakeHeadedFile(ReadPlan header, std::vector<PlannedTensor> tensors,
                                                  std::shared_ptr<const void> keep_alive);

}  // namespace shardfs
