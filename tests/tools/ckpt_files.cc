#include "tools/ckpt_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "shardfs/base/file_descriptor.h"

namespace shardfs::tools {

Status WriteSparseCkpt(const std::filesystem::path& path, const std::vector<NewTensor>& tensors, std::uint64_t chunk) {
  std::vector<NewCkptTensor> entries;
  entries.reserve(tensors.size());
  for (const NewTensor& tensor : tensors) entries.push_back({tensor.name, tensor.dtype, tensor.shape, false});
  SHARDFS_ASSIGN_OR_RETURN(const CkptPieces pieces, LayOutCkpt(entries, chunk));
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.valid() || ::ftruncate(file.get(), static_cast<off_t>(pieces.file_size)) != 0) {
    return Status::FromErrno(errno, "cannot write " + path.string());
  }
  for (const CkptPiece& piece : pieces.pieces) {
    const std::string_view text = std::string_view(pieces.text).substr(piece.text_begin, piece.text_size);
    if (::pwrite(file.get(), text.data(), text.size(), static_cast<off_t>(piece.offset)) !=
        static_cast<ssize_t>(text.size())) {
      return Status::FromErrno(errno, "cannot write " + path.string());
    }
  }
  return Status::Ok();
}

std::vector<NewTensor> TensorsOf70B(std::uint64_t ranks) {
  constexpr std::uint64_t kHidden = 8192;
  constexpr std::uint64_t kHeadBytes = 1024;  // of all key and value heads
  constexpr std::uint64_t kIntermediate = 28672;
  constexpr std::uint64_t kVocabulary = 128256;
  std::vector<NewTensor> tensors;
  const auto add = [&tensors](std::string name, Shape shape) {
    tensors.push_back({std::move(name), Dtype::kBF16, std::move(shape)});
  };
  add("model.tok_embeddings.embedding_weight", {kVocabulary / ranks, kHidden});
  for (int layer = 0; layer < 80; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    add(prefix + "attention_norm.weight", {kHidden});
    add(prefix + "attention.wq.weight", {kHidden / ranks, kHidden});
    add(prefix + "attention.wk.weight", {kHeadBytes / ranks, kHidden});
    add(prefix + "attention.wv.weight", {kHeadBytes / ranks, kHidden});
    add(prefix + "attention.wo.weight", {kHidden, kHidden / ranks});
    add(prefix + "ffn_norm.weight", {kHidden});
    add(prefix + "feed_forward.w1.weight", {kIntermediate / ranks, kHidden});
    add(prefix + "feed_forward.w2.weight", {kHidden, kIntermediate / ranks});
    add(prefix + "feed_forward.w3.weight", {kIntermediate / ranks, kHidden});
  }
  add("model.norm_out.weight", {kHidden});
  add("lm_head.weight", {kVocabulary / ranks, kHidden});
  return tensors;
}

std::vector<NewTensor> TinyTensors(std::size_t count) {
  std::vector<NewTensor> tensors;
  tensors.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    tensors.push_back(
        {fmt::format("model.layers.{}.mlp.experts.{}.gate_proj.weight", i / 256, i % 256), Dtype::kF32, {1}});
  }
  return tensors;
}

}  // namespace shardfs::tools
