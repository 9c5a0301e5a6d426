// Placement: how a layout stores the tensors of a checkpoint: which slice of each goes into which file, and under which
// name. Each layout that the generator writes is one implementation; Hugging Face's is the only one yet.
//
// The bytes of a piece follow from the tensor's name in the checkpoint (tensor_content.h), not from the name that the
// layout gives it, so that a test can tell what any layout must show.
//
// Thread-safety: immutable after construction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardfs/format/safetensors/header.h"

namespace shardfs::tools {

struct TextFile {
  std::string name;
  std::string content;
};

// Elements [begin, end) of one axis; all of the others.
struct Slice {
  std::size_t axis = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// One tensor of one file.
struct Piece {
  std::string file;                           // path within the checkpoint's directory; its folders are made
  std::string name;                           // the tensor's, in that file
  std::optional<Slice> slice = std::nullopt;  // none: the whole tensor
};

class Placement {
 public:
  virtual ~Placement() = default;

  // The pieces of tensor number `index` of the checkpoint: several where the layout cuts it or stores it more than
  // once, none where it leaves it out.
  virtual std::vector<Piece> PiecesOf(std::size_t index) const = 0;

  // The text files that the layout itself adds, such as an index.
  virtual std::vector<TextFile> TextFiles() const = 0;
};

// Give at most one; with neither, everything is in one file.
struct FileLimits {
  std::uint64_t max_file_bytes = 0;  // of tensor data: a file is closed before it would grow past this
  std::uint64_t files = 0;           // about equal ones; fewer when there are fewer tensors
};

// Bytes of a tensor whose elements are whole bytes.
std::uint64_t SizeOf(const NewTensor& tensor);

// Hugging Face's layout: whole tensors under their own names, in <prefix>-00001-of-000NN.safetensors and so on, and
// <prefix>.safetensors.index.json. Tensors keep their order, and a file holds at least one.
class HuggingFacePlacement : public Placement {
 public:
  // `tensors` must outlive the placement.
  HuggingFacePlacement(const std::vector<NewTensor>& tensors, std::string prefix, const FileLimits& limits);

  std::vector<Piece> PiecesOf(std::size_t index) const override;
  std::vector<TextFile> TextFiles() const override;

 private:
  std::string FileName(std::size_t file) const;

  const std::vector<NewTensor>& tensors_;
  std::string prefix_;
  std::vector<std::size_t> file_of_;  // of each tensor, from 0 and without gaps
};

// The index of the weight files: `weight_map` is (tensor, file) in the order to be written; `total_size` in bytes.
std::string IndexJson(const std::vector<std::pair<std::string_view, std::string>>& weight_map,
                      std::uint64_t total_size);

}  // namespace shardfs::tools
