// The attention tensors of one layer of one rank.
// Source: spec/mindie-weight-sharder.md, sections 3.4 (geometry) and 3.5 (FA3), order of section 4.3.
#pragma once

#include <cstdint>
#include <string>

#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/deepseek_weights.h"
#include "layout/mindie/state_dict_writer.h"

namespace shardfs {

// This rank's place in the attention group.
struct AttentionCut {
  std::uint64_t tp = 1;
  std::uint64_t rank = 0;
  bool sequence_parallel = false;  // sp > 1: FA3's derived scales stay whole
};

// Appends the tensors of `prefix` ("model.layers.0.self_attn"), those of FA3 among them if the model has it.
Status AddAttention(const std::string& prefix, const AttentionWeights& weights, bool has_fa3, const AttentionCut& cut,
                    const DeepseekConfig& config, StateDictWriter* writer);

}  // namespace shardfs
