// The mindspore-unified layout: what MindSpore's unified_safetensors writes. (spec/mindspore.md, section 5)
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class MindsporeUnifiedLayout final : public Layout {
 public:
  std::string_view name() const override { return "mindspore-unified"; }
  std::string_view summary() const override {
    return "MindSpore's unified checkpoint: full tensors in part*.safetensors, and param_name_map.json";
  }
  std::span<const OptionSpec> options() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
