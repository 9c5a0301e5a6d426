// The layout `safetensors`: the source's files one by one as safetensors files, as MindSpore's ckpt_to_safetensors
// writes them. (spec/mindspore-ckpt.md, section 5)
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class SafetensorsLayout final : public Layout {
 public:
  std::string_view name() const override { return "safetensors"; }
  std::string_view summary() const override {
    return "the source's files one by one as safetensors files, as MindSpore's ckpt_to_safetensors writes them";
  }
  std::span<const OptionSpec> options() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
