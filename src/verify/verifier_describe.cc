#include "verify/verifier_describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "verify/verifier_json.h"
#include "verify/verifier_value.h"
#include "base/quote_name.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

// Up to 40 bytes before `place` and after it, of the one line that it is in.
std::string Excerpt(std::string_view text, std::size_t place) {
  constexpr std::size_t kAround = 40;
  const std::size_t newline = place == 0 ? std::string_view::npos : text.find_last_of('\n', place - 1);
  const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
  const std::size_t begin = std::max(line, place < kAround ? 0 : place - kAround);
  const std::size_t end = std::min({text.find('\n', place), text.size(), place + kAround});
  return QuoteName(text.substr(begin, end - begin));
}

// The line, from 1, that `offset` of the view's file is in.
Result<std::uint64_t> LineOf(const FilePair& pair, std::uint64_t offset) {
  constexpr std::uint64_t kPiece = 1 << 16;
  std::uint64_t line = 1;
  for (std::uint64_t begin = 0; begin < offset; begin += kPiece) {
    SHARDFS_ASSIGN_OR_RETURN(const std::string text, pair.ExpectedText(begin, std::min(offset, begin + kPiece)));
    line += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  }
  return line;
}

Result<Difference> DescribeTextByte(const FilePair& pair, std::uint64_t offset) {
  constexpr std::uint64_t kAround = 200;  // bytes read on each side of the place, to cut lines from
  const std::uint64_t begin = offset < kAround ? 0 : offset - kAround;
  SHARDFS_ASSIGN_OR_RETURN(const std::string expected,
                           pair.ExpectedText(begin, std::min(pair.file.size(), offset + kAround)));
  SHARDFS_ASSIGN_OR_RETURN(const std::string found,
                           pair.FoundText(begin, std::min(pair.found.size(), offset + kAround)));
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t line, LineOf(pair, offset));
  const auto place = static_cast<std::size_t>(offset - begin);
  Difference difference{.kind = DifferenceKind::kBytes};
  difference.expected = Excerpt(expected, place);
  difference.actual = Excerpt(found, place);
  difference.message = fmt::format("byte {} (line {}): expected 0x{:02x} in {}, found 0x{:02x} in {}", offset, line,
                                   static_cast<unsigned char>(expected[place]), difference.expected,
                                   static_cast<unsigned char>(found[place]), difference.actual);
  return difference;
}

const FileTensor* TensorAt(const VirtualFile& file, std::uint64_t offset) {
  const auto tensors = file.tensors();
  const auto after = std::upper_bound(tensors.begin(), tensors.end(), offset,
                                      [](std::uint64_t at, const FileTensor& tensor) { return at < tensor.end; });
  return after == tensors.end() || offset < after->begin ? nullptr : &*after;
}

}  // namespace

std::uint64_t HeaderBytes(const VirtualFile& file) {
  return file.tensors().empty() ? file.size() : file.tensors().front().begin;
}

Result<Difference> DescribeByte(const FilePair& pair, std::uint64_t offset) {
  const FileTensor* tensor = TensorAt(pair.file, offset);
  if (tensor == nullptr) return DescribeTextByte(pair, offset);
  const std::uint64_t bytes = DtypeBytes(tensor->dtype);
  Difference difference{.kind = DifferenceKind::kValue, .tensor = tensor->name};
  if (bytes == 0) {  // several elements in a byte
    difference.message = fmt::format("tensor {} ({}): byte {} of its data differs", QuoteName(tensor->name),
                                     DtypeName(tensor->dtype), offset - tensor->begin);
    return difference;
  }
  const std::uint64_t element = (offset - tensor->begin) / bytes;
  const std::uint64_t begin = tensor->begin + element * bytes;
  SHARDFS_ASSIGN_OR_RETURN(const std::string expected, pair.ExpectedText(begin, begin + bytes));
  SHARDFS_ASSIGN_OR_RETURN(const std::string found, pair.FoundText(begin, begin + bytes));
  difference.index = IndexOf(tensor->shape, element);
  std::tie(difference.expected, difference.actual) =
      FormatElements(tensor->dtype, std::as_bytes(std::span(expected)), std::as_bytes(std::span(found)));
  difference.message = fmt::format("tensor {} ({} {}), index {}: expected {}, found {}", QuoteName(tensor->name),
                                   DtypeName(tensor->dtype), ShapeToString(tensor->shape),
                                   ShapeToString(*difference.index), difference.expected, difference.actual);
  return difference;
}

Result<Difference> DescribeSize(const FilePair& pair, std::optional<std::uint64_t> offset) {
  const std::uint64_t expected = pair.file.size();
  const std::uint64_t found = pair.found.size();
  const std::uint64_t distance = expected > found ? expected - found : found - expected;
  Difference difference{.kind = DifferenceKind::kSize};
  difference.expected = fmt::format("{}", expected);
  difference.actual = fmt::format("{}", found);
  difference.message = fmt::format("size: expected {} bytes, found {} ({} byte{} too {})", expected, found, distance,
                                   distance == 1 ? "" : "s", expected > found ? "few" : "many");
  const FileTensor* cut = found < expected ? TensorAt(pair.file, found) : nullptr;
  if (cut != nullptr) {
    difference.tensor = cut->name;
    difference.message += fmt::format("; the file ends in tensor {}", QuoteName(cut->name));
  }
  if (offset) {
    SHARDFS_ASSIGN_OR_RETURN(const Difference first, DescribeByte(pair, *offset));
    difference.message += "; first at " + first.message;
  }
  return difference;
}

namespace {

// `expected` without the optional members that `found` does not have.
JsonValue WithoutMissing(const JsonValue& expected, const JsonValue& found,
                         const std::set<std::string>& optional_keys) {
  if (!expected.is_object()) return expected;
  std::vector<JsonMember> members;
  for (const JsonMember& member : expected.members()) {
    if (found.Find(member.first) != nullptr || !optional_keys.contains(member.first)) members.push_back(member);
  }
  return JsonValue::Object(std::move(members));
}

// `object` without the member at `path`, whose keys are joined by '/'.
JsonValue WithoutMember(const JsonValue& object, std::string_view path) {
  const std::size_t slash = path.find('/');
  const std::string_view key = path.substr(0, slash);
  std::vector<JsonMember> members;
  for (const JsonMember& member : object.members()) {
    if (member.first != key) {
      members.push_back(member);
    } else if (slash != std::string_view::npos && member.second.is_object()) {
      members.emplace_back(member.first, WithoutMember(member.second, path.substr(slash + 1)));
    }
  }
  return JsonValue::Object(std::move(members));
}

// `value` without the members that need not agree.
JsonValue WithoutFree(JsonValue value, const std::set<std::string>& free_members) {
  if (!value.is_object()) return value;
  for (const std::string& path : free_members) value = WithoutMember(value, path);
  return value;
}

}  // namespace

Result<std::optional<Difference>> CompareJson(const FilePair& pair, const std::set<std::string>& optional_keys,
                                              const std::set<std::string>& free_members) {
  const JsonLimits limits;
  Difference difference{.kind = DifferenceKind::kJson};
  if (pair.found.size() > limits.max_bytes) {
    SHARDFS_ASSIGN_OR_RETURN(difference, DescribeSize(pair, std::nullopt));
    return std::optional(std::move(difference));
  }
  SHARDFS_ASSIGN_OR_RETURN(const std::string expected_text, pair.ExpectedText(0, pair.file.size()));
  SHARDFS_ASSIGN_OR_RETURN(const std::string found_text, pair.FoundText(0, pair.found.size()));
  if (expected_text == found_text) return std::optional<Difference>();
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue expected, ParseJson(expected_text, pair.path, limits));
  const auto found = ParseJson(found_text, "it", limits);
  if (!found.ok()) {
    if (found.status().code() == StatusCode::kResourceExhausted) return found.status();
    difference.expected = "JSON";
    difference.actual = std::string(found.status().message());
    difference.message = fmt::format("is not valid JSON: {}", difference.actual);
    return std::optional(std::move(difference));
  }
  auto first = FindJsonDifference(WithoutFree(WithoutMissing(expected, *found, optional_keys), free_members),
                                  WithoutFree(*found, free_members));
  if (!first) return std::optional<Difference>();
  const std::string place = first->place.empty() ? "the document" : QuoteName(first->place);
  difference.message = fmt::format("JSON, {}: expected {}, found {}", place, first->expected, first->actual);
  difference.expected = std::move(first->expected);
  difference.actual = std::move(first->actual);
  return std::optional(std::move(difference));
}

}  // namespace shardfs
