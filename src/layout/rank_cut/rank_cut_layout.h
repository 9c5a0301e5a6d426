// The layout `rank-cut`: one file for each rank with exactly the tensors that a table of rules gives it.
// Source: spec/rank-cuts.md.
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class RankCutLayout final : public Layout {
 public:
  std::string_view name() const override { return "rank-cut"; }
  std::string_view summary() const override { return "one file for each rank, cut by a table of rules (TP, EP, PP)"; }
  std::span<const OptionSpec> options() const override;
  std::span<const LayoutPreset> presets() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
