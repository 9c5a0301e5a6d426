// Writes MindSpore checkpoints as training saves them: rank_<r>/<prefix>_rank_<r>-<epoch>_<step>.safetensors and the
// strategy files beside, of any scale: dense and small, or of true scale with holes for values.
//
// The bytes of a parameter are ExpectedBytes (tensor_content.h) of its name and whole size, so that a test can tell
// what every file that is made of it must hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "tools/mindspore_model.h"
#include "tools/weight_files.h"

namespace shardfs::tools {

struct MindSporeOptions : ContentOptions {
  enum class StrategyFiles : std::uint8_t {
    kEachRank,   // strategy/ckpt_strategy_rank_<r>
    kEachStage,  // the same of the first rank of each stage alone
    kMerged,     // strategy/merged_ckpt_strategy
  };

  MindSporeShape shape;
  MindSporeSizes sizes;
  std::string prefix = "model";
  std::uint64_t epoch = 1;
  std::uint64_t step = 100;
  std::uint64_t moments = 0;        // of the optimizer for each weight: 1 is adam_m, 2 adam_v as well
  bool accumulated_grads = false;   // accu_grads.<name>
  bool hyper_parameters = true;     // epoch_num, step_num, global_step, loss_scale, learning_rate
  bool redundancy_removed = false;  // each distinct slice is kept by one rank of its stage
  bool stamps = true;               // with Fill::kSparse; false: the tensors are holes altogether
  bool nested_maps = false;         // protobuf alone
  bool json = false;                // strategies
  StrategyFiles strategies = StrategyFiles::kEachStage;
};

// All parameters of the checkpoint with moments and gradients, which are F32 and cut as their weight is.
Result<std::vector<MindSporeParameter>> ParametersOf(const MindSporeOptions& options);

// Writes the strategy files of these parameters into `directory`, which must exist.
Status WriteMindSporeStrategies(const std::string& directory, const std::vector<MindSporeParameter>& parameters,
                                const MindSporeOptions& options);

// Writes `checkpoint/rank_<r>` and `strategy/` into `directory`, which is made if it is missing and must be empty.
// Several threads write.
Result<CheckpointSummary> WriteMindSpore(const std::string& directory, const MindSporeOptions& options);

}  // namespace shardfs::tools
