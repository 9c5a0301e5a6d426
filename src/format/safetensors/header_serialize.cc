#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>

#include "format/safetensors/header_limits.h"
#include "base/quote_name.h"
#include "shardfs/base/checked_math.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kAlignment = 8;  // of the data section, by padding of the JSON

// As the reference's writer does: '"', '\' and control characters escaped (\u00xx in lower case where there is no
// short form), all else as it is. Throws for bytes that are not UTF-8.
void AppendJsonString(std::string_view text, std::string& json) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (!plain) {
    json += nlohmann::json(text).dump();
    return;
  }
  json += '"';
  json += text;
  json += '"';
}

// The size of the tensor's data in bytes, or the rule of ParseHeader that it would break.
Result<std::uint64_t> CheckedSize(const NewTensor& tensor) {
  const std::string subject = "tensor " + QuoteName(tensor.name);
  if (tensor.name == kMetadataKey) return Status::InvalidArgument(subject + " has a reserved name");
  if (tensor.name.size() > kMaxTensorNameBytes) {
    return Status::InvalidArgument(
        fmt::format("{}: the name has {} bytes, more than {}", subject, tensor.name.size(), kMaxTensorNameBytes));
  }
  if (tensor.name.find('\0') != tensor.name.npos) return Status::InvalidArgument(subject + ": the name holds a NUL");
  if (tensor.shape.size() > kMaxRank) {
    return Status::InvalidArgument(fmt::format("{}: {} axes are more than {}", subject, tensor.shape.size(), kMaxRank));
  }
  const auto elements = ElementCount(tensor.shape);
  const auto bits = elements.ok() ? CheckedMul(*elements, DtypeBits(tensor.dtype)) : std::nullopt;
  const bool fits = std::all_of(tensor.shape.begin(), tensor.shape.end(),
                                [](std::uint64_t size) { return size <= kMaxHeaderNumber; });
  if (!bits || *bits % 8 != 0 || !fits) {
    return Status::InvalidArgument(fmt::format("{}: shape {} of {} is too large or not whole bytes", subject,
                                               ShapeToString(tensor.shape), DtypeName(tensor.dtype)));
  }
  return *bits / 8;
}

// Indices in the order of the data. (spec/mindie-weight-sharder.md, section 4.1)
Result<std::vector<std::size_t>> DataOrder(const std::vector<NewTensor>& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (tensors[a].dtype != tensors[b].dtype) return tensors[a].dtype > tensors[b].dtype;
    return tensors[a].name < tensors[b].name;
  });
  // By name alone for the duplicates, as two of them may differ in dtype.
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const NewTensor& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return Status::InvalidArgument(fmt::format("tensor {} is given twice for one file", QuoteName(*twice)));
  }
  return order;
}

void AppendEntry(const NewTensor& tensor, std::uint64_t begin, std::uint64_t end, std::string& json) {
  AppendJsonString(tensor.name, json);
  fmt::format_to(std::back_inserter(json), R"(:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                 DtypeName(tensor.dtype), fmt::join(tensor.shape, ","), begin, end);
}

void AppendMetadata(const FileMetadata& metadata, std::string& json) {
  json += '"';
  json += kMetadataKey;
  json += "\":{";
  const char* separator = "";
  for (const auto& [name, text] : metadata) {
    json += separator;
    AppendJsonString(name, json);
    json += ':';
    AppendJsonString(text, json);
    separator = ",";
  }
  json += '}';
}

Result<SerializedHeader> Serialize(const std::vector<NewTensor>& tensors, const FileMetadata& metadata) {
  if (tensors.size() > kMaxTensors) {
    return Status::InvalidArgument(
        fmt::format("{} tensors are more than {} for one file", tensors.size(), kMaxTensors));
  }
  SerializedHeader header;
  SHARDFS_ASSIGN_OR_RETURN(header.order, DataOrder(tensors));
  header.offsets.reserve(tensors.size());
  std::string& bytes = header.bytes;
  bytes.assign(kLengthBytes, '\0');
  bytes += '{';
  if (!metadata.empty()) AppendMetadata(metadata, bytes);
  std::uint64_t end = 0;
  for (const std::size_t index : header.order) {
    const NewTensor& tensor = tensors[index];
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t size, CheckedSize(tensor));
    header.offsets.push_back(end);
    const auto next = CheckedAdd(end, size);
    if (!next || *next > kMaxHeaderNumber) {
      return Status::InvalidArgument(
          fmt::format("tensor {} makes the file larger than 2^48 bytes", QuoteName(tensor.name)));
    }
    if (bytes.back() != '{') bytes += ',';
    AppendEntry(tensor, end, *next, bytes);
    end = *next;
  }
  bytes += '}';
  bytes.append((kAlignment - bytes.size() % kAlignment) % kAlignment, ' ');
  const std::uint64_t length = bytes.size() - kLengthBytes;
  if (length > kMaxHeaderBytes) {
    return Status::InvalidArgument(
        fmt::format("the header of {} tensors has {} bytes, more than {}", tensors.size(), length, kMaxHeaderBytes));
  }
  for (std::size_t i = 0; i < kLengthBytes; ++i) bytes[i] = static_cast<char>(length >> (8 * i) & 0xFF);
  for (std::uint64_t& offset : header.offsets) offset += bytes.size();
  header.file_size = bytes.size() + end;
  return header;
}

}  // namespace

FileMetadata PytorchMetadata() { return {{"format", "pt"}}; }

Result<SerializedHeader> SerializeHeader(const std::vector<NewTensor>& tensors, const FileMetadata& metadata) {
  try {
    return Serialize(tensors, metadata);
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(fmt::format("no memory for a header of {} tensors", tensors.size()));
  } catch (const nlohmann::json::exception&) {
    return Status::InvalidArgument("a tensor's name is not valid UTF-8");
  }
}

}  // namespace shardfs
