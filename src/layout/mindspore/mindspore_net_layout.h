// MindsporeNetLayout: rank_<r>/net.safetensors, each rank's slices of an inference network, as MindSpore's
// load_distributed_checkpoint writes them. (spec/mindspore.md, section 7)
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class MindsporeNetLayout final : public Layout {
 public:
  std::string_view name() const override { return "mindspore-net"; }
  std::string_view summary() const override {
    return "MindSpore's rank_<r>/net.safetensors for inference, as load_distributed_checkpoint writes them";
  }
  std::span<const OptionSpec> options() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
