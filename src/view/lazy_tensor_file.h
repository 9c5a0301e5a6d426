// LazyTensorFile: a safetensors file whose header is made when the file is first read. Only its size is kept until
// then: a thousand ranks with four thousand tensors each would otherwise take gigabytes before anyone opens a file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/source/byte_source.h"
#include "shardfs/view/virtual_file.h"

namespace shardfs {

// The sources that a file may draw on: all that it does, and perhaps more.
using FileSources = std::shared_ptr<const std::vector<const ByteSource*>>;

// Makes the file, of the size and the number of tensors that were told before. Called from any thread, at most once.
using FileMaker = std::function<Result<std::unique_ptr<const VirtualFile>>()>;

// The file of `entries` and `metadata`, laid out by SerializeHeader, whose bytes `make` knows. Until it is read,
// VisitSources of the whole file tells all of `sources`, each as a whole; tensors() has the file made. kInvalidArgument
// where SerializeHeader refuses the entries.
Result<std::unique_ptr<const VirtualFile>> MakeLazyTensorFile(const std::vector<NewTensor>& entries,
                                                              const FileMetadata& metadata, FileSources sources,
                                                              FileMaker make);

}  // namespace shardfs
