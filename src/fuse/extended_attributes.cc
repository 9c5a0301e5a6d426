#include "fuse/extended_attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace shardfs {
namespace {

constexpr std::string_view kLayout = "user.shardfs.layout";
constexpr std::string_view kSources = "user.shardfs.sources";
constexpr std::string_view kRanges = "user.shardfs.ranges";

// Room for the line that says what was left out.
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

// A line for each range; nothing when that is longer than `limit`.
std::optional<std::string> ListRanges(const std::vector<SourceUse>& uses, std::size_t limit) {
  std::string text;
  for (const SourceUse& use : uses) {
    const std::string name = EscapeName(use.source->name());
    for (const auto& [begin, end] : use.ranges) {
      text += fmt::format("{} {} {}\n", name, begin, end - begin);
      if (text.size() > limit) return std::nullopt;
    }
  }
  return text;
}

// A line for each source file, as many as fit.
std::string ListFiles(const std::vector<SourceUse>& uses, std::size_t limit) {
  std::string text = fmt::format(
      "# {} ranges, too many to list; of each file the smallest range that holds them, and the bytes of it in use\n",
      RangesIn(uses));
  std::size_t listed = 0;
  for (const SourceUse& use : uses) {
    std::uint64_t bytes = 0;
    for (const auto& [begin, end] : use.ranges) bytes += end - begin;
    const std::uint64_t first = use.ranges.front().first;
    const std::string line =
        fmt::format("{} {} {} {}\n", EscapeName(use.source->name()), first, use.ranges.back().second - first, bytes);
    if (text.size() + line.size() + kRemarkBytes > limit) break;
    text += line;
    ++listed;
  }
  if (listed < uses.size()) text += fmt::format("# and {} more files, which do not fit here\n", uses.size() - listed);
  return text;
}

std::string DescribeLayout(const MountDescription& description) {
  std::string text = description.layout;
  for (const auto& [name, value] : description.sizes) text += fmt::format(" {}={}", name, value);
  return text;
}

}  // namespace

bool IsExtendedAttribute(std::string_view name) { return name == kLayout || name == kSources || name == kRanges; }

std::string_view ExtendedAttributeNames(const VirtualNode& node) {
  constexpr std::string_view kOfFile{"user.shardfs.layout\0user.shardfs.sources\0", 41};
  static_assert(kOfFile.size() == kLayout.size() + kSources.size() + 2);
  return node.is_directory() ? kOfFile.substr(0, kLayout.size() + 1) : kOfFile;
}

std::optional<std::string> ExtendedAttribute(const Filesystem& filesystem, const VirtualNode& node,
                                             std::string_view name) {
  if (name == kLayout) return DescribeLayout(filesystem.description);
  if (node.is_directory()) return std::nullopt;
  if (name == kSources) return DescribeSources(*node.file, kListedBytes);
  if (name == kRanges) return DescribeSources(*node.file, kMostXattrBytes);
  return std::nullopt;
}

std::string DescribeSources(const VirtualFile& file, std::size_t limit) {
  const std::vector<SourceUse> uses = UsesOf(file);
  if (uses.empty()) return "# made by the layout, of no byte of a source file\n";
  if (std::optional<std::string> ranges = ListRanges(uses, limit)) return *std::move(ranges);
  return ListFiles(uses, limit);
}

}  // namespace shardfs
