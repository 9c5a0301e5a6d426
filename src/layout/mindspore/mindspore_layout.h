// MindsporeLayout: rank_<r>/<prefix><r>.safetensors, each rank's slices by a destination's strategy, as MindSpore's
// transform_checkpoints writes them. (spec/mindspore.md, section 6)
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class MindsporeLayout final : public Layout {
 public:
  std::string_view name() const override { return "mindspore"; }
  std::string_view summary() const override {
    return "MindSpore's rank_<r>/ cut by a strategy, as transform_checkpoints writes them";
  }
  std::span<const OptionSpec> options() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
