// Small MindSpore checkpoints and strategies in a directory of a test's own, and views of them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/tiny_checkpoint.h"
#include "fuse/temporary_mount.h"
#include "layout/mindspore/mindspore_reader.h"
#include "layout/mindspore/parameter_layout.h"
#include "layout/mindspore/protobuf_text.h"
#include "shardfs/format/safetensors/header.h"
#include "shardfs/layout/layout.h"

namespace shardfs::testing {

using GivenOptions = std::vector<std::pair<std::string, std::string>>;

// A tensor of U32 elements.
struct U32Tensor {
  Shape shape;
  std::vector<std::uint32_t> elements;

  friend bool operator==(const U32Tensor&, const U32Tensor&) = default;
};
using U32Tensors = std::map<std::string, U32Tensor>;

inline U32Tensor Counting(Shape shape, std::uint32_t first) {
  U32Tensor tensor{std::move(shape), {}};
  tensor.elements.resize(*ElementCount(tensor.shape));
  for (std::uint32_t& element : tensor.elements) element = first++;
  return tensor;
}

inline void WriteTensors(const std::filesystem::path& path, const U32Tensors& tensors,
                         const FileMetadata& metadata = {{"format", "ms"}}) {
  std::vector<NewTensor> entries;
  for (const auto& [name, tensor] : tensors) entries.push_back({name, Dtype::kU32, tensor.shape});
  const auto header = SerializeHeader(entries, metadata);
  ASSERT_TRUE(header.ok()) << header.status();
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << header->bytes;
  for (const std::size_t index : header->order) {
    const auto& elements = tensors.at(entries[index].name).elements;
    file.write(reinterpret_cast<const char*>(elements.data()),
               static_cast<std::streamsize>(elements.size() * sizeof(std::uint32_t)));
  }
}

struct NamedLayout {
  std::string name;  // with its stage
  ParameterLayout layout;
};

// A merged strategy.
inline void WriteStrategy(const std::filesystem::path& path, const std::vector<NamedLayout>& layouts) {
  ProtobufText file;
  file.Number(1, 1).Message(2, StrategyItem("MatMul-op0", 0));
  for (const NamedLayout& named : layouts) {
    TextLayout text{{named.layout.device_matrix.begin(), named.layout.device_matrix.end()}, {}};
    if (named.layout.is_nested) {
      for (const auto& axis : named.layout.tensor_map) text.maps.emplace_back(axis.begin(), axis.end());
      if (text.maps.size() == 1) text.maps.emplace_back();
    } else {
      text.maps.emplace_back();
      for (const auto& axis : named.layout.tensor_map) text.maps[0].push_back(axis.at(0));
    }
    text.step = named.layout.shard_step;
    text.size = named.layout.shard_size;
    file.Message(3, LayoutItem(named.name, text));
  }
  std::ofstream(path, std::ios::binary) << file.bytes();
}

inline ParameterLayout FlatLayout(std::vector<std::uint32_t> matrix, const std::vector<std::int32_t>& map,
                                  std::int32_t step = 0, std::int32_t size = 0) {
  ParameterLayout layout{std::move(matrix), {}, false, step, size};
  for (const std::int32_t number : map) layout.tensor_map.push_back({number});
  return layout;
}

inline Result<CheckpointPtr> OpenMindspore(const std::filesystem::path& source, const GivenOptions& options) {
  const MindsporeReader reader;
  SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ValuesOf(reader, options));
  return reader.Open(source, values);
}

template <typename Shown>
Result<View> ViewOf(const Result<CheckpointPtr>& checkpoint, const GivenOptions& options) {
  SHARDFS_RETURN_IF_ERROR(checkpoint.status());
  const Shown layout;
  SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, ValuesOf(layout, options));
  return layout.Build(*checkpoint, values, {});
}

// The files of a view, by path.
inline std::map<std::string, std::string> FilesOf(const View& view) {
  std::map<std::string, std::string> files;
  for (NodeId id = 0; id < view.tree->size(); ++id) {
    const VirtualNode& node = view.tree->node(id);
    if (node.is_directory()) continue;
    std::string bytes(node.file->size(), '\0');
    const Status status = node.file->ReadAt(0, std::as_writable_bytes(std::span(bytes)));
    EXPECT_TRUE(status.ok()) << status;
    files.emplace(view.tree->PathOf(id), std::move(bytes));
  }
  return files;
}

inline U32Tensors TensorsOf(const std::string& bytes) {
  const auto header = ParseHeader(
      std::as_bytes(std::span(bytes)).first(*HeaderExtent(std::as_bytes(std::span(bytes)).first(8), bytes.size())),
      bytes.size(), "file");
  EXPECT_TRUE(header.ok()) << header.status();
  U32Tensors tensors;
  if (!header.ok()) return tensors;
  for (const HeaderTensor& tensor : header->tensors) {
    U32Tensor taken{tensor.shape, std::vector<std::uint32_t>((tensor.end - tensor.begin) / sizeof(std::uint32_t))};
    std::memcpy(taken.elements.data(), bytes.data() + header->data_offset + tensor.begin, tensor.end - tensor.begin);
    tensors.emplace(tensor.name, std::move(taken));
  }
  return tensors;
}

inline FileMetadata MetadataOf(const std::string& bytes) {
  const auto header = ParseHeader(
      std::as_bytes(std::span(bytes)).first(*HeaderExtent(std::as_bytes(std::span(bytes)).first(8), bytes.size())),
      bytes.size(), "file");
  return header.ok() ? header->metadata : FileMetadata{};
}

inline void WriteFiles(const std::filesystem::path& directory, const std::map<std::string, std::string>& files) {
  for (const auto& [path, bytes] : files) {
    std::filesystem::create_directories((directory / path).parent_path());
    std::ofstream(directory / path, std::ios::binary) << bytes;
  }
}

}  // namespace shardfs::testing
