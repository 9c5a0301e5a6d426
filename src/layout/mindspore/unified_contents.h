// UnifiedContents: which tensors of a source MindSpore's unified_safetensors stores in its parts, under which names and
// with which sizes, and which are left to hyper_param.safetensors. (spec/mindspore.md, sections 5.2, 5.3 and 5.5)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layout/mindspore/mindspore_source.h"
#include "layout/mindspore/unified_options.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/ignored_tensor.h"

namespace shardfs {

struct UnifiedTensor {
  std::uint32_t parameter = 0;  // in MindsporeSource::parameters(), or in the state dict of whole tensors
  std::string name;             // the new one
  std::uint64_t size = 0;       // at 4 bytes for every element
};

struct UnifiedHyperTensor {
  std::uint32_t file = 0;    // in MindsporeSource::files()
  std::uint32_t tensor = 0;  // in its tensors
};

struct UnifiedContents {
  std::vector<UnifiedTensor> stored;  // in the order of first sight
  std::uint64_t total_size = 0;       // of the slices of all ranks, at 4 bytes for every element
  std::vector<UnifiedHyperTensor> hyper;
  std::vector<std::string> left_slices;  // parameters of the strategy of which `hyper` has rank 0's slice
  std::vector<IgnoredTensor> ignored;
};

// What a source of ranks with a strategy stores. kInvalidArgument for two names renamed to one, and where nothing is
// left to store; kCorruption for tensors that MindSpore would lose, kNotSupported for parameters without elements.
Result<UnifiedContents> CollectUnified(const MindsporeSource& source, const UnifiedOptions& options);

// What whole tensors store: all of them, each counted once.
Result<UnifiedContents> CollectUnified(const StateDict& tensors, const UnifiedOptions& options);

}  // namespace shardfs
