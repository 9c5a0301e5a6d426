// A safetensors file of a header and the plans of its tensors: what every file of tensors is made into. The header is
// made anew (MakePlannedFile), or the source's own, where a view keeps it and changes bytes of tensors alone.
#pragma once

#include <memory>
#include <vector>

#include "shardfs/view/virtual_file.h"

namespace shardfs {

// `header` is all bytes before the data; `tensors` are in its order of data, with its dtypes and shapes, which is not
// checked. The file shares `keep_alive`, which owns the sources. It is immutable: reads come from any number of threads.
std::unique_ptr<const VirtualFile> MakeHeadedFile(ReadPlan header, std::vector<PlannedTensor> tensors,
                                                  std::shared_ptr<const void> keep_alive);

}  // namespace shardfs
