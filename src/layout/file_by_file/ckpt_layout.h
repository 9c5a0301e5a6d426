// The layout `ckpt`: the source's files one by one as MindSpore's .ckpt, as its safetensors_to_ckpt writes them.
// (spec/mindspore-ckpt.md, section 5)
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class CkptLayout final : public Layout {
 public:
  std::string_view name() const override { return "ckpt"; }
  std::string_view summary() const override {
    return "the source's files one by one as MindSpore's .ckpt, as its safetensors_to_ckpt writes them";
  }
  std::span<const OptionSpec> options() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
