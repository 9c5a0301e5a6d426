// The layout `huggingface`: a full or partial checkpoint under Hugging Face names, split at another size or in the
// source's own files. Knows no model family. Source: spec/huggingface-view.md.
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class HuggingfaceLayout final : public Layout {
 public:
  std::string_view name() const override { return "huggingface"; }
  std::string_view summary() const override {
    return "the full checkpoint under Hugging Face names, split at another size or in the source's own files";
  }
  std::span<const OptionSpec> options() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
