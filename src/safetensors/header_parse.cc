#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <new>
#include <nlohmann/json.hpp>
#include <string_view>
#include <tuple>

#include "base/json_survey.h"
#include "safetensors/header_handler.h"
#include "safetensors/header_limits.h"
#include "safetensors/quote_name.h"
#include "shardfs/safetensors/header.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kLengthBytes = 8;  // the length prefix of the JSON, little-endian

// The JSON without its padding, or why it cannot be one.
Result<std::string_view> UnpaddedJson(std::string_view json) {
  if (json.empty() || json.front() != '{') {
    return Status::Corruption(json.empty() ? "the header is empty instead of an object"
                                           : fmt::format("the header begins with byte 0x{:02x} instead of '{{'",
                                                         static_cast<unsigned char>(json.front())));
  }
  const std::size_t last = json.find_last_not_of(' ');
  if (json[last] != '}') {
    return Status::Corruption(
        fmt::format("the header ends with byte 0x{:02x} instead of '}}'", static_cast<unsigned char>(json[last])));
  }
  return json.substr(0, last + 1);
}

Status ReadEntries(std::string_view json, Header& header) {
  SHARDFS_ASSIGN_OR_RETURN(const JsonSurvey survey, SurveyJson(json));
  // Once and for all, so that growing never holds the entries twice; a header of nothing but '{' is no header.
  header.tensors.reserve(std::min(survey.objects, json.size() / kMinEntryBytes + 1));
  HeaderHandler handler(header);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &handler)) return handler.status();
  return Status::Ok();
}

// The first name (by hash, so any) that stands twice among `count` names; nullptr when all differ.
template <typename NameAt>
const std::string* FindDuplicate(std::size_t count, NameAt name_at) {
  struct Entry {
    std::size_t hash;
    std::size_t index;
  };
  std::vector<Entry> entries(count);
  for (std::size_t i = 0; i < count; ++i) entries[i] = {std::hash<std::string>{}(name_at(i)), i};
  // Comparing hashes first keeps this linear in the bytes of names; comparing names after keeps it correct.
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    return a.hash != b.hash ? a.hash < b.hash : name_at(a.index) < name_at(b.index);
  });
  const auto found = std::adjacent_find(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    return a.hash == b.hash && name_at(a.index) == name_at(b.index);
  });
  return found == entries.end() ? nullptr : &name_at(found->index);
}

Status CheckDuplicates(const Header& header) {
  const auto tensor_name = [&](std::size_t i) -> const std::string& { return header.tensors[i].name; };
  if (const std::string* name = FindDuplicate(header.tensors.size(), tensor_name)) {
    return Status::Corruption(fmt::format("tensor {} stands twice in the header", QuoteName(*name)));
  }
  const auto metadata_key = [&](std::size_t i) -> const std::string& { return header.metadata[i].first; };
  if (const std::string* name = FindDuplicate(header.metadata.size(), metadata_key)) {
    return Status::Corruption(fmt::format("{}: key {} stands twice", kMetadataKey, QuoteName(*name)));
  }
  return Status::Ok();
}

// Sorts the tensors into data order and checks that they fill the file from the data section's begin to its end.
Status CheckTiling(std::uint64_t file_size, Header& header) {
  auto& tensors = header.tensors;
  const auto extent_before = [](const HeaderTensor& a, const HeaderTensor& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  };
  // Most files are in order; and then empty tensors, which share their offsets, keep the document's order.
  if (!std::is_sorted(tensors.begin(), tensors.end(), extent_before)) {
    std::sort(tensors.begin(), tensors.end(), [](const HeaderTensor& a, const HeaderTensor& b) {
      return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
  }
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const HeaderTensor& tensor = tensors[i];
    if (tensor.begin != end) {
      const std::string before = i == 0 ? "the data begin" : "tensor " + QuoteName(tensors[i - 1].name) + " ends";
      return Status::Corruption(fmt::format("tensor {} begins at offset {}, but {} at {}: {} of {} bytes",
                                            QuoteName(tensor.name), tensor.begin, before, end,
                                            tensor.begin > end ? "a hole" : "an overlap",
                                            tensor.begin > end ? tensor.begin - end : end - tensor.begin));
    }
    end = tensor.end;
  }
  const std::uint64_t described = header.data_offset + end;  // both below 2^49
  if (described == file_size) return Status::Ok();
  return Status::Corruption(fmt::format("the file has {} bytes, but its header describes {}: {}", file_size, described,
                                        described > file_size ? "it is truncated" : "bytes follow the last tensor"));
}

Result<Header> Parse(std::span<const std::byte> bytes, std::uint64_t file_size) {
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t extent,
                           HeaderExtent(bytes.first(std::min<std::size_t>(bytes.size(), kLengthBytes)), file_size));
  if (bytes.size() != extent) {
    return Status::InvalidArgument(fmt::format("{} bytes were given of a header of {}", bytes.size(), extent));
  }
  Header header;
  header.data_offset = extent;
  header.data_aligned = extent % 8 == 0;
  const std::string_view padded(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, extent - kLengthBytes);
  SHARDFS_ASSIGN_OR_RETURN(const std::string_view json, UnpaddedJson(padded));
  SHARDFS_RETURN_IF_ERROR(ReadEntries(json, header));
  SHARDFS_RETURN_IF_ERROR(CheckDuplicates(header));
  SHARDFS_RETURN_IF_ERROR(CheckTiling(file_size, header));
  return header;
}

}  // namespace

Result<std::uint64_t> HeaderExtent(std::span<const std::byte> first8, std::uint64_t file_size) {
  if (first8.size() < kLengthBytes || file_size < kLengthBytes) {
    return Status::Corruption(fmt::format("the file has {} bytes, fewer than the {} of the header's length",
                                          std::min<std::uint64_t>(first8.size(), file_size), kLengthBytes));
  }
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(first8[i]);
  if (length > kMaxHeaderBytes) {
    return Status::Corruption(
        fmt::format("the header's length is {} bytes, more than {}: this is no safetensors file, or a damaged one",
                    length, kMaxHeaderBytes));
  }
  if (length > file_size - kLengthBytes) {
    return Status::Corruption(fmt::format("the header's length is {} bytes, but the file ends after {} bytes: {}",
                                          length, file_size, "it is truncated"));
  }
  return kLengthBytes + length;
}

Result<Header> ParseHeader(std::span<const std::byte> bytes, std::uint64_t file_size, std::string_view file_name) {
  const std::string context = fmt::format("'{}'", file_name);
  try {
    auto header = Parse(bytes, file_size);
    if (!header.ok()) return header.status().WithContext(context);
    return header;
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(context + ": no memory for the header");
  } catch (const std::exception& error) {
    return Status::Corruption(fmt::format("{}: the header cannot be read: {}", context, error.what()));
  }
}

}  // namespace shardfs
