// The options of the sharded-state layout. (spec/sharded-state.md, section 2)
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "layout/sharded_state/engine_names.h"
#include "layout/sharded_state/model_shape.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"
#include "shardfs/view/view.h"

namespace shardfs {

inline constexpr std::string_view kVllm = "vllm";
inline constexpr std::string_view kSglang = "sglang";

// What decides the cut of a model.
struct ShardedCut {
  std::uint32_t tp = 1;
  bool expert_parallel = false;
  bool fuses_shared_experts = false;

  // kInvalidArgument for a cut that the engine does not have for such a model, kNotSupported for a model whose config
  // the engine reads in another way than it is meant.
  Status Check(const ModelShape& shape, std::string_view engine) const;
};

struct ShardedOptions {
  std::string names_file;  // empty: the built-in table
  EngineNameTable table;
  EngineNames names;
  bool version_is_assumed = false;
  ShardedCut cut;
  std::uint64_t max_shard_bytes = std::uint64_t{5} << 30;

  static std::span<const OptionSpec> Specs();

  static Result<ShardedOptions> Parse(const OptionValues& values);

  OptionPairs InForce() const;
};

}  // namespace shardfs
