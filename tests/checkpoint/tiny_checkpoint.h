// A directory of small safetensors files, made for one test.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "fuse/temporary_mount.h"
#include "layout/huggingface/huggingface_reader.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs::testing {

class TinyCheckpoint {
 public:
  // Data bytes count up from a number that differs from file to file.
  TinyCheckpoint& AddShard(const std::string& name, const std::vector<NewTensor>& tensors) {
    const auto header = SerializeHeader(tensors);
    EXPECT_TRUE(header.ok()) << header.status();
    std::string bytes = header->bytes;
    while (bytes.size() < header->file_size) bytes += static_cast<char>(next_++);
    return AddFile(name, bytes);
  }

  TinyCheckpoint& AddFile(const std::string& name, const std::string& text) {
    std::ofstream(directory_.path() / name, std::ios::binary) << text;
    return *this;
  }

  std::string path() const { return directory_.path(); }

  CheckpointPtr Open() const {
    auto checkpoint = HuggingfaceReader().Open(path(), OptionValues());
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    return checkpoint.ok() ? *checkpoint : nullptr;
  }

 private:
  MountableDirectory directory_;
  unsigned char next_ = 1;
};

// The options of a command line, checked by what `taker` declares: {{"layers", "0-1"}}.
template <typename Taker>
Result<OptionValues> ValuesOf(const Taker& taker, const std::vector<std::pair<std::string, std::string>>& given) {
  std::vector<GivenOption> options;
  for (const auto& [name, text] : given) options.push_back({name, text, OptionOrigin::kCommandLine, OptionFlagOf(name)});
  std::vector<const OptionSpec*> specs;
  for (const OptionSpec& spec : taker.options()) specs.push_back(&spec);
  return OptionValues::Create(std::move(options), specs);
}

}  // namespace shardfs::testing
