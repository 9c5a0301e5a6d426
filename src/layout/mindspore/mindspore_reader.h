// MindsporeReader: rank_<r>/ directories with the strategy that they were saved by, one full file, or a unified
// directory. (spec/mindspore.md, section 3)
#pragma once

#include "shardfs/checkpoint/checkpoint_reader.h"

namespace shardfs {

class MindsporeReader final : public CheckpointReader {
 public:
  std::string_view name() const override { return "mindspore"; }
  std::string_view summary() const override {
    return "MindSpore's rank_<r>/ with a strategy, one full file, or a unified directory (param_name_map.json)";
  }
  std::span<const OptionSpec> options() const override;
  Recognition Recognise(std::span<const std::string> names) const override;

  // The checkpoint's parts are a MindsporeSource.
  Result<CheckpointPtr> Open(const std::string& directory, const OptionValues& values) const override;
};

}  // namespace shardfs
