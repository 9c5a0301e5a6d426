// The reader `toy`: a text index, and a file of raw little-endian F32 for each tensor, which is not safetensors. The
// tests of the seams add it to the program as a stranger would.
#pragma once

#include "shardfs/checkpoint/checkpoint_reader.h"

namespace shardfs {

class ToyReader final : public CheckpointReader {
 public:
  std::string_view name() const override { return "toy"; }
  std::string_view summary() const override { return "raw F32 files, and a text index of their tensors"; }
  std::span<const OptionSpec> options() const override;
  Recognition Recognise(std::span<const std::string> names) const override;
  Result<CheckpointPtr> Open(const std::string& directory, const OptionValues& values) const override;
};

}  // namespace shardfs
