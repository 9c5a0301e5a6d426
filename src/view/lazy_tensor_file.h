// LazyTensorFile: a safetensors file whose header is made when the file is first read. Only its size is kept until then:
// a thousand ranks with four thousand tensors each would otherwise take gigabytes before anyone opens a file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/view/virtual_file.h"

namespace shardfs {

// Makes the file, of the size and the number of tensors that were told before. Called from any thread, several times
// where the file is only looked through, and must give the same file each time.
using FileMaker = std::function<Result<std::unique_ptr<const VirtualFile>>()>;

// The file of `entries` and `metadata`, laid out by SerializeHeader, whose bytes `make` knows. kInvalidArgument where
// SerializeHeader refuses the entries.
Result<std::unique_ptr<const VirtualFile>> MakeLazyTensorFile(const std::vector<NewTensor>& entries,
                                                              const FileMetadata& metadata, FileMaker make);

}  // namespace shardfs
