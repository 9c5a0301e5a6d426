#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <new>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>

#include "base/json_survey.h"
#include "format/safetensors/header_handler.h"
#include "format/safetensors/header_limits.h"
#include "format/safetensors/header_tiling.h"
#include "base/quote_name.h"
#include "shardfs/format/safetensors/header.h"

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

// `data_bytes`: what the file has behind the header.
Status ReadEntries(std::string_view json, std::uint64_t data_bytes, Header& header) {
  SHARDFS_ASSIGN_OR_RETURN(const JsonSurvey survey, SurveyJson(json));
  // Once and for all, so that growing never holds the entries twice; a header of nothing but '{' is no header.
  header.tensors.reserve(std::min({survey.objects, json.size() / kMinEntryBytes + 1, kMaxTensors}));
  HeaderHandler handler(json, header, data_bytes);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &handler)) return handler.status();
  return Status::Ok();
}

// The first name, in the order of names, that stands twice among `count` names; nullptr when all differ.
template <typename NameAt>
const std::string* FindDuplicate(std::size_t count, NameAt name_at) {
  std::vector<std::size_t> hashes(count);
  for (std::size_t i = 0; i < count; ++i) hashes[i] = std::hash<std::string>{}(name_at(i));
  std::sort(hashes.begin(), hashes.end());
  if (std::adjacent_find(hashes.begin(), hashes.end()) == hashes.end()) return nullptr;
  // Two names alike, or made to have one hash: the names decide.
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return name_at(a) < name_at(b); });
  const auto found = std::adjacent_find(order.begin(), order.end(),
                                        [&](std::size_t a, std::size_t b) { return name_at(a) == name_at(b); });
  return found == order.end() ? nullptr : &name_at(*found);
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
  SHARDFS_RETURN_IF_ERROR(ReadEntries(json, file_size - extent, header));
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
