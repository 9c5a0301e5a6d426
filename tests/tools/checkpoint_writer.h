// Writes synthetic checkpoints: real headers, index and configuration, made-up values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "tools/checkpoint_tensors.h"
#include "tools/deepseek_shape.h"
#include "tools/family.h"
#include "tools/quantisation.h"
#include "tools/weight_files.h"

namespace shardfs::tools {

struct WriteOptions : ContentOptions, FileLimits {};

// For a DeepSeek-V3 checkpoint.
struct CheckpointOptions : WriteOptions {
  DeepSeekShape shape;        // what config.json says
  Quantisation quantisation;  // what config.json and the description say
};

// The text files of a checkpoint in any layout: config.json, generation_config.json and stand-ins for the others that
// the published checkpoints have.
std::vector<TextFile> TextFilesOf(const Model& model);

// The functions below write into `directory`, which is made if it is missing and must be empty. Several threads write;
// what they wrote is removed on failure.

// Writes `tensors` where `placement` puts them, the text files of the placement, and `texts`.
Result<CheckpointSummary> WriteTensors(const std::string& directory, const std::vector<NewTensor>& tensors,
                                       const Placement& placement, const std::vector<TextFile>& texts,
                                       const ContentOptions& content);

// Writes a float checkpoint of any family in Hugging Face's layout.
Result<CheckpointSummary> WriteModel(const std::string& directory, const Model& model, const WriteOptions& options);

// Writes a DeepSeek-V3 checkpoint of `tensors` in Hugging Face's layout, or msModelSlim's: the files are
// quant_model_weight_<quantize>-... with a description beside them. Leave tensors out or reshape them to get a
// checkpoint that must be refused.
Result<CheckpointSummary> WriteCheckpoint(const std::string& directory, const CheckpointOptions& options,
                                          const std::vector<NewTensor>& tensors);

// The same with all tensors of that shape and quantisation.
Result<CheckpointSummary> WriteCheckpoint(const std::string& directory, const CheckpointOptions& options);

}  // namespace shardfs::tools
