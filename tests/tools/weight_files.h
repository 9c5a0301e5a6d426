// Writes the weight files of a checkpoint: its tensors, where a placement puts them.
//
// Thread-safety: WriteWeightFiles may be called from any thread; it writes with threads of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "tools/placement.h"
#include "tools/tensor_content.h"

namespace shardfs::tools {

struct ContentOptions {
  std::uint64_t seed = 0;
  Fill fill = Fill::kDense;  // kSparse leaves holes where the content is zero
  Offsets offsets = Offsets::kZero;
};

struct CheckpointSummary {
  std::uint64_t tensors = 0;         // in the weight files
  std::uint64_t files = 0;           // of weights
  std::uint64_t apparent_bytes = 0;  // sum of the weight files' sizes
  std::uint64_t disk_bytes = 0;      // what they occupy
};

// Writes into an existing directory; the files must not exist. The bytes of a tensor are ExpectedBytes
// (tensor_content.h), or the slice of them that the placement asks for. kInvalidArgument for a slice beyond its tensor,
// and for two pieces of one name in one file.
Result<CheckpointSummary> WriteWeightFiles(const std::filesystem::path& directory,
                                           const std::vector<NewTensor>& tensors, const Placement& placement,
                                           const ContentOptions& content);

// These fail where the file exists.
Status WriteTextFile(const std::string& path, std::string_view content);
Result<FileDescriptor> CreateFile(const std::string& path);

// Writes all of `bytes` at `offset` of the file `fd`, which messages call `path`.
Status WriteAll(int fd, const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes);

}  // namespace shardfs::tools
