// Writes synthetic DeepSeek-V3 checkpoints: real headers, index and configuration, made-up values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "tools/checkpoint_tensors.h"
#include "tools/deepseek_shape.h"
#include "tools/quantisation.h"
#include "tools/tensor_content.h"

namespace shardfs::tools {

struct CheckpointOptions {
  DeepSeekShape shape;        // what config.json says
  Quantisation quantisation;  // what config.json and the description say
  // At most one of these two; with neither, everything is in one file. Tensors keep their order, and a file holds at
  // least one.
  std::uint64_t max_file_bytes = 0;  // of tensor data: a file is closed before it would grow past this
  std::uint64_t files = 0;           // about equal ones; fewer when there are fewer tensors
  std::uint64_t seed = 0;
  Fill fill = Fill::kDense;  // kSparse leaves holes where the content is zero
  Offsets offsets = Offsets::kZero;
};

struct CheckpointSummary {
  std::uint64_t tensors = 0;
  std::uint64_t files = 0;           // of weights
  std::uint64_t apparent_bytes = 0;  // sum of the weight files' sizes
  std::uint64_t disk_bytes = 0;      // what they occupy
};

// Writes a checkpoint of `tensors` into `directory`, which is made if it is missing and must be empty. The files are
// model-00001-of-000NN.safetensors, or quant_model_weight_<quantize>-... with a description beside them; what their
// tensors hold is tensor_content.h's ExpectedBytes. Leave tensors out or reshape them to get a checkpoint that must be
// refused. Several threads write; what they wrote is removed on failure.
Result<CheckpointSummary> WriteCheckpoint(const std::string& directory, const CheckpointOptions& options,
                                          const std::vector<NewTensor>& tensors);

// The same with all tensors of that shape and quantisation.
Result<CheckpointSummary> WriteCheckpoint(const std::string& directory, const CheckpointOptions& options);

}  // namespace shardfs::tools
