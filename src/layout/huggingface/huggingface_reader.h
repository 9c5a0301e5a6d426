// The reader `huggingface`: one directory of safetensors files, with or without an index, as Hugging Face keeps models.
#pragma once

#include "shardfs/checkpoint/checkpoint_reader.h"

namespace shardfs {

class HuggingfaceReader final : public CheckpointReader {
 public:
  std::string_view name() const override { return "huggingface"; }
  std::string_view summary() const override { return "a directory of safetensors files, with or without an index"; }
  Recognition Recognise(std::span<const std::string> names) const override;
  Result<CheckpointPtr> Open(const std::string& directory, const OptionValues& values) const override;
};

}  // namespace shardfs
