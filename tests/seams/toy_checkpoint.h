// One small model, stored in two ways: as the toy reader reads it, and as the huggingface reader does. The elements of
// tensor i count up from 100 * i.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "fuse/temporary_mount.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs::testing {

struct ToyTensor {
  std::string name;
  Shape shape;
};

// In the order in which the model has them, which is no order of names.
inline const std::vector<ToyTensor>& ToyTensors() {
  static const std::vector<ToyTensor> tensors = {{"model.norm.weight", {3}},
                                                 {"model.layers.1.up.weight", {2, 3}},
                                                 {"model.layers.0.up.weight", {3, 2}},
                                                 {"lm_head.weight", {4, 3}},
                                                 {"model.embed_tokens.weight", {4, 2}}};
  return tensors;
}

// The bytes of tensor `index`, each element multiplied by `sign`.
inline std::string ToyBytes(std::size_t index, float sign = 1) {
  std::size_t elements = 1;
  for (const std::uint64_t axis : ToyTensors()[index].shape) elements *= axis;
  std::string bytes(elements * sizeof(float), '\0');
  for (std::size_t i = 0; i < elements; ++i) {
    const float element = sign * static_cast<float>(100 * index + i);
    std::memcpy(bytes.data() + i * sizeof(float), &element, sizeof(float));
  }
  return bytes;
}

class ToyCheckpoint {
 public:
  ToyCheckpoint() {
    std::filesystem::create_directory(toy());
    std::filesystem::create_directory(huggingface());
    std::string index;
    for (std::size_t i = 0; i < ToyTensors().size(); ++i) {
      const std::string file = "tensor-" + std::to_string(i) + ".f32";
      std::string shape;
      for (const std::uint64_t axis : ToyTensors()[i].shape) shape += (shape.empty() ? "" : "x") + std::to_string(axis);
      index += ToyTensors()[i].name + " " + shape + " " + file + "\n";
      Write(toy() / file, ToyBytes(i));
    }
    Write(toy() / "model.toy", index);
    WriteShard("model-00001-of-00002.safetensors", {0, 1, 2});
    WriteShard("model-00002-of-00002.safetensors", {3, 4});
    for (const auto& directory : {toy(), huggingface()}) {
      Write(directory / "config.json", R"({"model_type": "toy", "num_hidden_layers": 2})");
      Write(directory / "tokenizer.json", "{}\n");
    }
  }

  std::filesystem::path toy() const { return directory_.path() / "toy"; }
  std::filesystem::path huggingface() const { return directory_.path() / "huggingface"; }
  std::filesystem::path Scratch(const std::string& name) const { return directory_.path() / name; }

  std::filesystem::path Write(const std::filesystem::path& path, const std::string& bytes) const {
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

 private:
  void WriteShard(const std::string& name, const std::vector<std::size_t>& tensors) const {
    std::vector<NewTensor> specs;
    for (const std::size_t i : tensors) specs.push_back({ToyTensors()[i].name, Dtype::kF32, ToyTensors()[i].shape});
    const SerializedHeader header = SerializeHeader(specs).value();
    std::string bytes = header.bytes;
    for (const std::size_t place : header.order) bytes += ToyBytes(tensors[place]);
    EXPECT_EQ(bytes.size(), header.file_size);
    Write(huggingface() / name, bytes);
  }

  MountableDirectory directory_;
};

}  // namespace shardfs::testing
