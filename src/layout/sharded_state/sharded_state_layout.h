// The layout `sharded-state`: the per-rank state dict that vLLM and SGLang load with `--load-format sharded_state`.
// Source: spec/sharded-state.md.
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class ShardedStateLayout final : public Layout {
 public:
  std::string_view name() const override { return "sharded-state"; }
  std::string_view summary() const override { return "vLLM's and SGLang's sharded_state: one state dict a rank"; }
  std::span<const OptionSpec> options() const override;
  std::optional<LayoutTable> table() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
