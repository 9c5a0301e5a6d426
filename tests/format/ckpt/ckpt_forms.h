// .ckpt files as the versions of MindSpore write them, written for tests by a writer of their own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/memory_source.h"

namespace shardfs::testing {

inline std::string Varint(std::uint64_t value) {
  std::string text;
  do {
    text += static_cast<char>((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
    value >>= 7;
  } while (value != 0);
  return text;
}

// A length-delimited field.
inline std::string Field(unsigned number, std::string_view content) {
  return Varint(number << 3 | 2) + Varint(content.size()) + std::string(content);
}

inline std::string DimField(std::uint64_t dim) { return Varint(1 << 3) + Varint(dim); }

// A message TensorProto.
inline std::string TensorMessageOf(const std::vector<std::uint64_t>& dims, std::string_view type,
                                   std::string_view content) {
  std::string message;
  for (const std::uint64_t dim : dims) message += DimField(dim);
  return message + Field(2, type) + Field(3, content);
}

inline std::string EntryOf(std::string_view tag, std::string_view tensor_message) {
  return Field(1, Field(1, tag) + Field(2, tensor_message));
}

inline std::string EntryOf(std::string_view tag, const std::vector<std::uint64_t>& dims, std::string_view type,
                           std::string_view content) {
  return EntryOf(tag, TensorMessageOf(dims, type, content));
}

struct FormTensor {
  std::string name;
  std::string type;  // "BFloat16"
  std::vector<std::uint64_t> dims;
  std::string bytes;
  std::size_t element = 1;  // bytes of one
};

enum class CkptForm {
  k05,     // one entry a tensor, the model type behind all
  k110,    // flat chunks of whole elements, scalars as [0]
  k22,     // as k110, and BF16 as float32 in one entry
  k23,     // chunks of exactly so many bytes, no entry for an empty tensor
  kAsync,  // chunks of whole rows, some of them empty
};
inline constexpr CkptForm kAllForms[] = {CkptForm::k05, CkptForm::k110, CkptForm::k22, CkptForm::k23, CkptForm::kAsync};

// numpy.array_split: sizes of `parts` parts of `count` units.
inline std::vector<std::uint64_t> ArraySplit(std::uint64_t count, std::uint64_t parts) {
  std::vector<std::uint64_t> sizes(parts, count / parts);
  for (std::uint64_t i = 0; i < count % parts; ++i) ++sizes[i];
  return sizes;
}

inline std::string Widened(const std::string& bf16) {
  std::string wide;
  for (std::size_t i = 0; i < bf16.size(); i += 2) wide += std::string(2, '\0') + bf16.substr(i, 2);
  return wide;
}

// The entries of one tensor.
inline std::string FormEntries(const FormTensor& tensor, CkptForm form, std::uint64_t chunk) {
  const bool is_old = form == CkptForm::k05 || form == CkptForm::k110 || form == CkptForm::k22;
  const std::vector<std::uint64_t> dims = is_old && tensor.dims.empty() ? std::vector<std::uint64_t>{0} : tensor.dims;
  if (form == CkptForm::k23 && tensor.bytes.empty()) return "";
  const bool is_wide = form == CkptForm::k22 && tensor.type == "BFloat16";
  if (is_wide) return EntryOf(tensor.name, dims, tensor.type, Widened(tensor.bytes));
  std::uint64_t unit = 1;
  std::vector<std::uint64_t> sizes = {tensor.bytes.size()};
  const std::uint64_t parts = (tensor.bytes.size() + chunk - 1) / chunk;
  if (form != CkptForm::k05 && parts > 1) {
    if (form == CkptForm::k23) {
      sizes.assign(parts, chunk);
      sizes.back() = tensor.bytes.size() - (parts - 1) * chunk;
    } else {
      unit = form == CkptForm::kAsync && !dims.empty() ? tensor.bytes.size() / dims[0] : tensor.element;
      sizes = ArraySplit(tensor.bytes.size() / unit, parts);
    }
  }
  std::string text;
  std::size_t at = 0;
  for (const std::uint64_t size : sizes) {
    text += EntryOf(tensor.name, dims, tensor.type, std::string_view(tensor.bytes).substr(at, size * unit));
    at += size * unit;
  }
  return text;
}

inline std::string FormFile(const std::vector<FormTensor>& tensors, CkptForm form, std::uint64_t chunk) {
  std::string file;
  for (const FormTensor& tensor : tensors) file += FormEntries(tensor, form, chunk);
  if (form == CkptForm::k05) file += Field(2, "model");
  return file;
}

inline MemorySource SourceOf(std::string_view bytes, bool mapped = false) {
  std::vector<std::byte> copy(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return MemorySource(std::move(copy), mapped);
}

}  // namespace shardfs::testing
