// MindSpore .ckpt files of any size whose tensors are holes: only their framing takes space on the disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/format/ckpt/ckpt.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs::tools {

// Writes a file of those tensors in their order, all of whose elements are 0. Fails where the file exists.
Status WriteSparseCkpt(const std::filesystem::path& path, const std::vector<NewTensor>& tensors,
                       std::uint64_t chunk = kCkptChunkBytes);

// The tensors of one of `ranks` ranks of a model of 70B parameters (Llama's shape) as MindSpore Transformers names
// them, tensor parallel: 723 tensors, 141 GB of BF16 in all ranks.
std::vector<NewTensor> TensorsOf70B(std::uint64_t ranks);

// So many tensors of one element each.
std::vector<NewTensor> TinyTensors(std::size_t count);

}  // namespace shardfs::tools
