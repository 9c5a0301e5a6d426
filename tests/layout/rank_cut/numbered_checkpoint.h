// A checkpoint whose elements say where they come from: element k of tensor t is 65536 * t + k, as I32.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/tiny_checkpoint.h"

namespace shardfs::testing {

class NumberedCheckpoint {
 public:
  NumberedCheckpoint(const std::vector<std::pair<std::string, Shape>>& tensors, const std::string& config) {
    std::vector<NewTensor> entries;
    for (const auto& [name, shape] : tensors) {
      numbers_.emplace(name, static_cast<std::int32_t>(numbers_.size()));
      shapes_.emplace(name, shape);
      entries.push_back({name, Dtype::kI32, shape});
    }
    const auto header = SerializeHeader(entries);
    EXPECT_TRUE(header.ok()) << header.status();
    std::string bytes = header->bytes;
    for (const std::size_t index : header->order) {
      const std::uint64_t count = ElementCount(entries[index].shape).value();
      for (std::uint64_t k = 0; k < count; ++k) {
        const std::int32_t element = Element(entries[index].name, k);
        bytes.append(reinterpret_cast<const char*>(&element), sizeof element);
      }
    }
    files_.AddFile("model.safetensors", bytes).AddFile("config.json", config);
    checkpoint_ = files_.Open();
  }

  const CheckpointPtr& checkpoint() const { return checkpoint_; }
  const std::map<std::string, Shape>& shapes() const { return shapes_; }
  std::int32_t Element(const std::string& tensor, std::uint64_t k) const {
    return numbers_.at(tensor) * 65536 + static_cast<std::int32_t>(k);
  }
  std::string path() const { return files_.path(); }

 private:
  TinyCheckpoint files_;
  std::map<std::string, std::int32_t> numbers_;
  std::map<std::string, Shape> shapes_;
  CheckpointPtr checkpoint_;
};

// The elements of each tensor of a file of a view.
struct ReadTensor {
  Shape shape;
  std::vector<std::int32_t> elements;
};

inline std::map<std::string, ReadTensor> ReadTensors(const VirtualFile& file) {
  std::vector<std::byte> bytes(file.size());
  EXPECT_TRUE(file.ReadAt(0, bytes).ok());
  std::map<std::string, ReadTensor> tensors;
  for (const FileTensor& tensor : file.tensors()) {
    ReadTensor& read = tensors[tensor.name];
    read.shape = tensor.shape;
    read.elements.resize((tensor.end - tensor.begin) / sizeof(std::int32_t));
    if (!read.elements.empty()) {
      std::memcpy(read.elements.data(), bytes.data() + tensor.begin, tensor.end - tensor.begin);
    }
  }
  return tensors;
}

// The file of that path in a view, or nullptr.
inline const VirtualFile* FindFile(const VirtualTree& tree, const std::string& path) {
  for (NodeId id = 0; id < tree.size(); ++id) {
    if (!tree.node(id).is_directory() && tree.PathOf(id) == path) return tree.node(id).file.get();
  }
  return nullptr;
}

}  // namespace shardfs::testing
