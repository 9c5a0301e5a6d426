#include "tools/placement.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

namespace shardfs::tools {
namespace {

// The file of each tensor. A file is closed at its share of the whole, or before it would grow past the limit.
std::vector<std::size_t> Split(const std::vector<NewTensor>& tensors, const FileLimits& limits) {
  const std::uint64_t wanted = std::min<std::uint64_t>(limits.files, tensors.size());
  std::uint64_t total = 0;
  for (const NewTensor& tensor : tensors) total += SizeOf(tensor);
  std::vector<std::size_t> file_of;
  file_of.reserve(tensors.size());
  std::size_t file = 0;
  std::uint64_t done = 0;     // bytes in all files
  std::uint64_t current = 0;  // bytes in the last one
  std::size_t begin = 0;      // the last one's first tensor
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t size = SizeOf(tensors[i]);
    bool next = limits.max_file_bytes > 0 && current + size > limits.max_file_bytes;
    if (wanted > 0) {
      const std::uint64_t missing = wanted - (file + 1);
      // At the file's share of the whole, and in time to leave a tensor for each file that is still missing.
      next = missing > 0 && (done >= total / wanted * (file + 1) || tensors.size() - i <= missing);
    }
    if (next && i > begin) {
      ++file;
      begin = i;
      current = 0;
    }
    file_of.push_back(file);
    current += size;
    done += size;
  }
  return file_of;
}

}  // namespace

std::uint64_t SizeOf(const NewTensor& tensor) {
  std::uint64_t size = DtypeBytes(tensor.dtype);
  for (const std::uint64_t axis : tensor.shape) size *= axis;
  return size;
}

HuggingFacePlacement::HuggingFacePlacement(const std::vector<NewTensor>& tensors, std::string prefix,
                                           const FileLimits& limits)
    : tensors_(tensors), prefix_(std::move(prefix)), file_of_(Split(tensors, limits)) {}

std::string HuggingFacePlacement::FileName(std::size_t file) const {
  const std::size_t files = file_of_.empty() ? 0 : file_of_.back() + 1;
  return fmt::format("{}-{:05}-of-{:05}.safetensors", prefix_, file + 1, files);
}

std::vector<Piece> HuggingFacePlacement::PiecesOf(std::size_t index) const {
  return {{FileName(file_of_[index]), tensors_[index].name}};
}

std::vector<TextFile> HuggingFacePlacement::TextFiles() const {
  std::vector<std::pair<std::string_view, std::string>> weight_map;
  weight_map.reserve(tensors_.size());
  std::uint64_t total_size = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    weight_map.emplace_back(tensors_[i].name, FileName(file_of_[i]));
    total_size += SizeOf(tensors_[i]);
  }
  return {{prefix_ + ".safetensors.index.json", IndexJson(weight_map, total_size)}};
}

std::string IndexJson(const std::vector<std::pair<std::string_view, std::string>>& weight_map,
                      std::uint64_t total_size) {
  std::string json =
      fmt::format("{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{", total_size);
  // Names are the families' own: letters, digits, '.', '_' and '-', nothing that JSON would have escaped.
  const char* separator = "\n";
  for (const auto& [tensor, file] : weight_map) {
    fmt::format_to(std::back_inserter(json), "{}    \"{}\": \"{}\"", separator, tensor, file);
    separator = ",\n";
  }
  json += "\n  }\n}\n";
  return json;
}

}  // namespace shardfs::tools
