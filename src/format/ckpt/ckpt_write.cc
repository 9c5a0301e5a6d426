// What MindSpore 2.3 and later write, saving synchronously: one entry for each chunk of a tensor, each with the name,
// the full shape and the type in front of the chunk's bytes. (spec/mindspore-ckpt.md, section 3)
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/quote_name.h"
#include "base/utf8.h"
#include "format/ckpt/ckpt_types.h"
#include "shardfs/base/checked_math.h"
#include "shardfs/format/ckpt/ckpt.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 62;

void AppendVarint(std::uint64_t value, std::string& text) {
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
  text += static_cast<char>(value);
}

std::uint64_t VarintBytes(std::uint64_t value) {
  std::uint64_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

// The bytes of a length-delimited field: its tag, its length, its content.
std::uint64_t FieldBytes(std::uint64_t content) { return 1 + VarintBytes(content) + content; }

void AppendFieldStart(std::uint32_t number, std::uint64_t content, std::string& text) {
  text += static_cast<char>(number << 3 | 2);
  AppendVarint(content, text);
}

void AppendField(std::uint32_t number, std::string_view content, std::string& text) {
  AppendFieldStart(number, content.size(), text);
  text += content;
}

// The bytes of the tensor, or why a .ckpt cannot hold it.
Result<std::uint64_t> CheckedBytes(const NewCkptTensor& tensor) {
  const std::string subject = "tensor " + QuoteName(tensor.name);
  if (tensor.name.empty()) return Status::InvalidArgument("a tensor's name is empty");
  if (!IsUtf8(tensor.name)) return Status::InvalidArgument(subject + ": its name is not UTF-8");
  if (CkptTypeName(tensor.dtype, tensor.is_int4).empty()) {
    return Status::NotSupported(
        fmt::format("{}: a .ckpt cannot hold {} (MindSpore could not load it)", subject, DtypeName(tensor.dtype)));
  }
  const bool fits =
      std::all_of(tensor.shape.begin(), tensor.shape.end(), [](std::uint64_t size) { return size <= kMaxCkptDim; });
  const auto elements = ElementCount(tensor.shape);
  const auto bytes = elements.ok() ? CheckedMul(*elements, DtypeBytes(tensor.dtype)) : std::nullopt;
  if (!fits || !bytes || *bytes > kMaxFileBytes) {
    return Status::NotSupported(
        fmt::format("{}: a .ckpt cannot hold the shape {}", subject, ShapeToString(tensor.shape)));
  }
  return *bytes;
}

// The framing in front of `content` bytes of the tensor.
void AppendFraming(const NewCkptTensor& tensor, std::uint64_t content, std::string& text) {
  const std::string_view type = CkptTypeName(tensor.dtype, tensor.is_int4);
  std::uint64_t tensor_bytes = FieldBytes(type.size()) + FieldBytes(content);
  for (const std::uint64_t dim : tensor.shape) tensor_bytes += 1 + VarintBytes(dim);
  AppendFieldStart(kCkptValueField, FieldBytes(tensor.name.size()) + FieldBytes(tensor_bytes), text);
  AppendField(kCkptTagField, tensor.name, text);
  AppendFieldStart(kCkptTensorField, tensor_bytes, text);
  for (const std::uint64_t dim : tensor.shape) {
    text += static_cast<char>(kCkptDimsField << 3);
    AppendVarint(dim, text);
  }
  AppendField(kCkptTypeField, type, text);
  AppendFieldStart(kCkptContentField, content, text);
}

}  // namespace

std::string_view CkptTypeName(Dtype dtype, bool is_int4) {
  const auto found = std::find_if(kCkptTypes.begin(), kCkptTypes.end(),
                                  [&](const CkptType& type) { return type.dtype == dtype && type.is_int4 == is_int4; });
  return found == kCkptTypes.end() ? std::string_view() : found->name;
}

Result<CkptPieces> LayOutCkpt(std::span<const NewCkptTensor> tensors, std::uint64_t chunk) {
  if (chunk == 0 || chunk > kMaxCkptChunkBytes) {
    return Status::InvalidArgument(fmt::format("a chunk of {} bytes; MindSpore reads entries below 2 GiB: give 1 to {}",
                                               chunk, kMaxCkptChunkBytes));
  }
  CkptPieces file;
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const NewCkptTensor& tensor = tensors[i];
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t bytes, CheckedBytes(tensor));
    if (!names.insert(tensor.name).second) {
      return Status::InvalidArgument(fmt::format("tensor {} is given twice for one file", QuoteName(tensor.name)));
    }
    for (std::uint64_t begin = 0; begin < bytes; begin += std::min(chunk, bytes - begin)) {
      CkptPiece piece;
      piece.offset = file.file_size;
      piece.text_begin = file.text.size();
      piece.tensor = static_cast<std::uint32_t>(i);
      piece.begin = begin;
      piece.size = std::min(chunk, bytes - begin);
      AppendFraming(tensor, piece.size, file.text);
      piece.text_size = static_cast<std::uint32_t>(file.text.size() - piece.text_begin);
      const auto size = CheckedAdd(file.file_size, piece.text_size + piece.size);
      if (!size || *size > kMaxFileBytes) {
        return Status::NotSupported(
            fmt::format("tensor {} makes the file larger than 2^62 bytes", QuoteName(tensor.name)));
      }
      if (file.pieces.size() == kMaxCkptEntries) {
        return Status::NotSupported(
            fmt::format("chunks of {} bytes make more than {} entries; give a larger chunk", chunk, kMaxCkptEntries));
      }
      file.file_size = *size;
      file.pieces.push_back(piece);
    }
  }
  return file;
}

}  // namespace shardfs
