// RankCut: what each rank of a destination holds, and how its tensors are made. Layouts of ranks differ in that alone.
//
// Immutable; const members from any number of threads. Held by shared_ptr, which the files of the ranks keep.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layout/mindspore/mindspore_source.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/format/safetensors/header.h"
#include "shardfs/tensor/tensor.h"
#include "shardfs/view/virtual_tree.h"
#include "view/lazy_tensor_file.h"

namespace shardfs {

struct RankTensor {
  std::string_view name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
  std::uint32_t index = 0;          // what the cut knows it by
  bool is_cut = false;              // by the destination's strategy
  const SourceFile* raw = nullptr;  // where it is handed on as this file has it
};

struct RankContent {
  std::vector<RankTensor> tensors;
  FileMetadata metadata;
  bool has_file = true;
  FileSources sources;                  // that the rank's file may draw on
  std::shared_ptr<const void> context;  // what the cut has found out of the rank, for its own use
};

class RankCut {
 public:
  virtual ~RankCut() = default;

  // Checks all that can be checked without a tensor byte. The names live as long as the cut.
  virtual Result<RankContent> ContentOf(std::uint32_t rank) const = 0;

  // `tensor` is one of `content`, which is ContentOf(rank).
  virtual Result<TensorPtr> Build(std::uint32_t rank, const RankContent& content, const RankTensor& tensor) const = 0;
};

using RankCutPtr = std::shared_ptr<const RankCut>;

// kNotSupported for a dtype that MindSpore's files do not have.
Status CheckMindsporeDtype(std::string_view name, Dtype dtype);

// {"format": "ms"}.
FileMetadata MindsporeMetadata();

// `metadata` updated by that of the files, each over those before it, keys in byte order.
FileMetadata InheritMetadata(std::span<const FileMetadata* const> files);

// All files of a checkpoint.
FileSources SourcesOf(const Checkpoint& checkpoint);

// Adds rank_<r>/<prefix><r or nothing>.safetensors of each rank that holds something. `ranks` are the destination's;
// files are headed when they are first read. Refuses dtypes that MindSpore's files do not have.
Status AddRankFiles(const RankCutPtr& cut, std::span<const std::uint32_t> ranks,
                    const std::function<std::string(std::uint32_t)>& name_of, VirtualTreeBuilder& tree);

}  // namespace shardfs
