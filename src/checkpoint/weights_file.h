// WeightsFile: one weights file of a source opened by itself, a MindSpore .ckpt or a safetensors file: its tensors, and
// what else it holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/ckpt_options.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/ignored_tensor.h"
#include "shardfs/checkpoint/stored_parts.h"
#include "shardfs/format/safetensors/header.h"
#include "shardfs/source/source_set.h"
#include "shardfs/tensor/state_dict.h"

namespace shardfs {

struct WeightsFile {
  std::shared_ptr<const FileSource> file;
  StateDictPtr tensors;  // keeps the file
  // __metadata__ of a safetensors file; of a .ckpt {"<tensor>", "Int4"} for each tensor of that type.
  FileMetadata metadata;
  std::vector<IgnoredTensor> ignored;  // what extras=drop leaves out
  std::optional<CipherMode> cipher;    // of an encrypted file
  bool lacks_crc = false;              // crc_check was asked for, and the file has no trailer
};

// Whether the name is that of a .ckpt: not hidden, ending in ".ckpt".
bool IsCkptName(std::string_view name);

// The files of `root` at those paths, in their order, opened in parallel: *.safetensors as such, all others as .ckpt.
// Fails as ReadCkpt, ReadShards and EncryptedSource::Open do, and with kNotSupported for strings and maps unless
// extras=drop; where several files are damaged, the message tells of the first ten.
Result<std::vector<WeightsFile>> OpenWeightsFiles(const SourceRoot& root, std::span<const std::string> paths,
                                                  const CkptOptions& options);

// What a person should know of the files: one sentence a kind.
std::vector<std::string> WarningsOf(std::span<const WeightsFile> files, const CkptOptions& options);

// Files as parts, for Checkpoint::Content.
std::shared_ptr<const StoredParts> PartsOf(std::span<const WeightsFile> files);

}  // namespace shardfs
