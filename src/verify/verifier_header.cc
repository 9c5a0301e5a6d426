#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "verify/verifier_describe.h"
#include "base/quote_name.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs {
namespace {

// A tensor of either side; offsets from the start of the data.
struct Entry {
  std::string_view name;
  Dtype dtype;
  const Shape* shape;
  std::uint64_t begin;
  std::uint64_t end;

  bool SameExceptName(const Entry& other) const {
    return dtype == other.dtype && *shape == *other.shape && begin == other.begin && end == other.end;
  }
  std::string Describe() const { return fmt::format("{} {}", DtypeName(dtype), ShapeToString(*shape)); }
};

struct Sides {
  std::vector<Entry> expected;  // in data order
  std::vector<Entry> found;
};

Sides Gather(const VirtualFile& file, const Header& header) {
  Sides sides;
  const std::uint64_t data = HeaderBytes(file);
  for (const FileTensor& tensor : file.tensors()) {
    sides.expected.push_back({tensor.name, tensor.dtype, &tensor.shape, tensor.begin - data, tensor.end - data});
  }
  for (const HeaderTensor& tensor : header.tensors) {
    sides.found.push_back({tensor.name, tensor.dtype, &tensor.shape, tensor.begin, tensor.end});
  }
  return sides;
}

Difference Named(const Entry& tensor, std::string what, std::string expected, std::string actual) {
  Difference difference{.kind = DifferenceKind::kHeader, .tensor = std::string(tensor.name)};
  difference.message = fmt::format("header: tensor {} {}", QuoteName(tensor.name), std::move(what));
  difference.expected = std::move(expected);
  difference.actual = std::move(actual);
  return difference;
}

std::string Extent(const Entry& tensor) { return fmt::format("bytes {} to {}", tensor.begin, tensor.end); }

Difference Missing(const Entry& tensor, const Sides& sides, const std::unordered_set<std::string_view>& known) {
  for (const Entry& other : sides.found) {
    if (!known.contains(other.name) && other.SameExceptName(tensor)) {
      return Named(tensor, fmt::format("is called {}", QuoteName(other.name)), std::string(tensor.name),
                   std::string(other.name));
    }
  }
  return Named(tensor, fmt::format("({}) is missing", tensor.Describe()), tensor.Describe(), "nothing");
}

// The first tensor that is missing, extra, or of another dtype, shape or, if nothing else is wrong, position: one
// tensor more or less moves all others.
std::optional<Difference> FirstTensorDifference(const Sides& sides) {
  std::unordered_map<std::string_view, const Entry*> found;
  std::unordered_set<std::string_view> known;
  for (const Entry& tensor : sides.found) found.emplace(tensor.name, &tensor);
  for (const Entry& tensor : sides.expected) known.insert(tensor.name);

  for (const Entry& tensor : sides.expected) {
    const auto other = found.find(tensor.name);
    if (other == found.end()) return Missing(tensor, sides, known);
    const Entry& actual = *other->second;
    if (actual.dtype != tensor.dtype) {
      return Named(tensor, fmt::format("has dtype {}, expected {}", DtypeName(actual.dtype), DtypeName(tensor.dtype)),
                   std::string(DtypeName(tensor.dtype)), std::string(DtypeName(actual.dtype)));
    }
    if (*actual.shape != *tensor.shape) {
      const std::string is = ShapeToString(*actual.shape);
      const std::string should = ShapeToString(*tensor.shape);
      return Named(tensor, fmt::format("has shape {}, expected {}", is, should), should, is);
    }
  }
  for (const Entry& tensor : sides.found) {
    if (known.contains(tensor.name)) continue;
    return Named(tensor, fmt::format("({}) is not expected", tensor.Describe()), "nothing", tensor.Describe());
  }
  for (const Entry& tensor : sides.expected) {
    const Entry& actual = *found.at(tensor.name);
    if (actual.begin == tensor.begin && actual.end == tensor.end) continue;
    return Named(tensor, fmt::format("lies at {} of the data, expected {}", Extent(actual), Extent(tensor)),
                 Extent(tensor), Extent(actual));
  }
  return std::nullopt;
}

Result<Difference> Unreadable(const Status& status) {
  if (status.code() != StatusCode::kCorruption && status.code() != StatusCode::kNotSupported) return status;
  Difference difference{.kind = DifferenceKind::kHeader, .expected = "a safetensors header"};
  difference.actual = std::string(status.message());
  difference.message = fmt::format("header: {}", difference.actual);
  return difference;
}

// Both headers name the same tensors: what differs is metadata, the order of keys, or white space.
Result<Difference> SameTensors(const FilePair& pair, std::uint64_t offset, std::uint64_t found_end) {
  constexpr std::uint64_t kAround = 40;
  const std::uint64_t begin =
      std::max<std::uint64_t>(offset < kAround ? 0 : offset - kAround, std::min<std::uint64_t>(offset, 8));
  const std::uint64_t expected_end = std::min(HeaderBytes(pair.file), offset + kAround);
  SHARDFS_ASSIGN_OR_RETURN(const std::string expected, pair.ExpectedText(begin, std::max(begin, expected_end)));
  SHARDFS_ASSIGN_OR_RETURN(const std::string found,
                           pair.FoundText(begin, std::max(begin, std::min(found_end, offset + kAround))));
  Difference difference{.kind = DifferenceKind::kHeader};
  difference.expected = QuoteName(expected);
  difference.actual = QuoteName(found);
  difference.message = fmt::format("header: the tensors are the same, but byte {} is not: expected {}, found {}",
                                   offset, difference.expected, difference.actual);
  return difference;
}

}  // namespace

Result<Difference> DescribeHeader(const FilePair& pair, std::uint64_t offset) {
  const std::uint64_t size = pair.found.size();
  SHARDFS_ASSIGN_OR_RETURN(const std::string first, pair.FoundText(0, std::min<std::uint64_t>(8, size)));
  const auto extent = HeaderExtent(std::as_bytes(std::span(first)), size);
  if (!extent.ok()) return Unreadable(extent.status());
  SHARDFS_ASSIGN_OR_RETURN(const std::string bytes, pair.FoundText(0, *extent));
  const auto header = ParseHeader(std::as_bytes(std::span(bytes)), size, pair.path.substr(pair.path.rfind('/') + 1));
  if (!header.ok()) return Unreadable(header.status());
  if (auto difference = FirstTensorDifference(Gather(pair.file, *header))) return std::move(*difference);
  return SameTensors(pair, offset, *extent);
}

}  // namespace shardfs
