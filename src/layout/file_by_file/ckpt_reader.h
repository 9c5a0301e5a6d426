// The reader `ckpt`: MindSpore's weights as files, with no strategy to say what they are parts of: one .ckpt, a
// directory of them, or a directory of rank folders that hold .ckpt or safetensors files.
#pragma once

#include "shardfs/checkpoint/checkpoint_reader.h"

namespace shardfs {

class CkptReader final : public CheckpointReader {
 public:
  std::string_view name() const override { return "ckpt"; }
  std::string_view summary() const override {
    return "MindSpore's .ckpt: one, a directory of them, or folders rank* of them or of safetensors files";
  }
  std::span<const OptionSpec> options() const override;
  Recognition Recognise(std::span<const std::string> names) const override;
  Result<CheckpointPtr> Open(const std::string& directory, const OptionValues& values) const override;
};

}  // namespace shardfs
