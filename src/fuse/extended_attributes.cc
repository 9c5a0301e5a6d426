#include "fuse/extended_attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace shardfs {
namespace {

constexpr std::string_view kLayout = "user.shardfs.layout";
constexpr std::string_view kSources = "user.shardfs.sources";

// Room for the line that says where the rest is.
constexpr std::size_t kRemarkBytes = 160;

using Range = std::pair<std::uint64_t, std::uint64_t>;  // [first, second)

struct SourceUse {
  const ByteSource* source = nullptr;
  std::vector<Range> ranges;  // ascending, neither touching nor overlapping
};

void MergeRanges(std::vector<Range>& ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::size_t kept = 0;
  for (const Range& range : ranges) {
    if (kept > 0 && range.first <= ranges[kept - 1].second) {
      ranges[kept - 1].second = std::max(ranges[kept - 1].second, range.second);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
}

std::vector<SourceUse> UsesOf(const VirtualFile& file) {
  std::vector<SourceUse> uses;
  std::unordered_map<const ByteSource*, std::size_t> places;
  static_cast<void>(file.tensors());  // has a file made that is not until it is read
  file.VisitSources(0, file.size(), [&](const SourceSpan& span) {
    const auto [place, is_new] = places.try_emplace(span.source, uses.size());
    if (is_new) uses.push_back({span.source, {}});
    std::vector<Range>& ranges = uses[place->second].ranges;
    if (!ranges.empty() && ranges.back().second == span.offset) {
      ranges.back().second += span.size;  // the usual case, which keeps the list short while it grows
    } else {
      ranges.emplace_back(span.offset, span.offset + span.size);
    }
  });
  for (SourceUse& use : uses) MergeRanges(use.ranges);
  return uses;
}

std::string EscapeName(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\\' || c == '#' || c == 127) {
      escaped += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::size_t RangesIn(const std::vector<SourceUse>& uses) {
  std::size_t count = 0;
  for (const SourceUse& use : uses) count += use.ranges.size();
  return count;
}

// The page that an attribute of this name holds: 1 for the sources, N for ".N" behind it; 0 for any other name.
std::size_t PageOf(std::string_view name) {
  if (!name.starts_with(kSources)) return 0;
  name.remove_prefix(kSources.size());
  if (name.empty()) return 1;
  std::size_t page = 0;
  const char* const end = name.data() + name.size();
  const bool is_number = name.size() > 1 && name[0] == '.' && name[1] != '0' &&
                         std::from_chars(name.data() + 1, end, page) == std::from_chars_result{end, std::errc{}};
  return is_number && page > 1 ? page : 0;
}

// Whether the lines are so few that copying tools may have them. Lines are counted before they are merged, so a few
// files that would pass are said not to. Looks at a piece of the file at a time, and so stops early at a long one.
bool SourcesAreShort(const VirtualFile& file) {
  constexpr std::uint64_t kPiece = std::uint64_t{64} << 20;
  constexpr std::size_t kLineBytes = 42;  // of two numbers
  std::size_t bytes = 0;
  SourceSpan last;
  static_cast<void>(file.tensors());  // as above
  const auto count = [&](const SourceSpan& span) {
    const bool goes_on = span.source == last.source && span.offset == last.offset + last.size;
    if (!goes_on) bytes += 4 * span.source->name().size() + kLineBytes;  // each byte of it may need an escape
    last = span;
  };
  for (std::uint64_t at = 0; at < file.size() && bytes <= kListedBytes; at += kPiece) {
    file.VisitSources(at, kPiece, count);
  }
  return bytes <= kListedBytes;
}

std::string DescribeLayout(const MountDescription& description) {
  std::string text = description.layout;
  for (const auto& [name, value] : description.sizes) text += fmt::format(" {}={}", name, value);
  return text;
}

}  // namespace

bool IsExtendedAttribute(std::string_view name) { return name == kLayout || PageOf(name) != 0; }

std::string_view ExtendedAttributeNames(const VirtualNode& node) {
  constexpr std::string_view kOfFile{"user.shardfs.layout\0user.shardfs.sources\0", 41};
  static_assert(kOfFile.size() == kLayout.size() + kSources.size() + 2);
  const bool with_sources = !node.is_directory() && SourcesAreShort(*node.file);
  return with_sources ? kOfFile : kOfFile.substr(0, kLayout.size() + 1);
}

std::optional<std::string> ExtendedAttribute(const Filesystem& filesystem, const VirtualNode& node,
                                             std::string_view name) {
  if (name == kLayout) return DescribeLayout(filesystem.description);
  const std::size_t page = PageOf(name);
  if (node.is_directory() || page == 0) return std::nullopt;
  return DescribeSources(*node.file, page, kMostXattrBytes);
}

std::optional<std::string> DescribeSources(const VirtualFile& file, std::size_t page, std::size_t limit) {
  const std::vector<SourceUse> uses = UsesOf(file);
  if (uses.empty() && page == 1) return "# made by the layout, of no byte of a source file\n";
  std::size_t left = RangesIn(uses);
  std::size_t at = 1;
  std::string text;
  for (const SourceUse& use : uses) {
    const std::string name = EscapeName(use.source->name());
    for (const auto& [begin, end] : use.ranges) {
      const std::string line = fmt::format("{} {} {}\n", name, begin, end - begin);
      if (text.size() + line.size() + kRemarkBytes > limit) {
        if (at == page) {
          return text + fmt::format("# and {} more ranges: getfattr -n {}.{} --only-values FILE\n", left, kSources, page + 1);
        }
        ++at;
        text.clear();
      }
      text += line;
      --left;
    }
  }
  if (at != page || text.empty()) return std::nullopt;
  return text;
}

}  // namespace shardfs
