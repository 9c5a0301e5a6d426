// Names of DeepSeek's own model, and which rank holds what. Source: spec/deepseek-mp.md, sections 2 and 3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"

namespace shardfs {

struct MpTensor {
  std::string name;                      // "layers.3.ffn.experts.7.w1.weight"
  std::optional<std::uint64_t> axis;     // that ranks split; nothing: whole on every rank
  std::optional<std::uint64_t> expert;   // a routed expert: whole, on the rank of its block
  std::string expert_group;              // of a routed expert: "layers.3.ffn.experts"
};

// convert.py tests for this text anywhere in a name.
bool IsDroppedAsMtp(std::string_view source_name);

// kNotSupported for a name that has no place in DeepSeek's model.
Result<MpTensor> MpTensorOf(std::string_view source_name);

}  // namespace shardfs
