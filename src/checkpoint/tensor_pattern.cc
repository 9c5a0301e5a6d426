// Matching: parts are tried from the left, each with the longest text first; where the rest does not match, the next
// shorter one is tried. A pair (part, place in the name) that has failed once is remembered and not tried again, so
// that "**a**a**a" over a long name takes the product of both lengths and not a power of it.
#include "checkpoint/tensor_pattern.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parse_number.h"
#include "base/quote_name.h"

namespace shardfs {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

Status Wrong(std::string_view pattern, std::string_view problem) {
  return Status::InvalidArgument(fmt::format("pattern {}: {}", QuoteName(pattern), problem));
}

}  // namespace

Result<TensorPattern::Part> TensorPattern::ParseBraces(std::string_view inner, std::string_view pattern) {
  Part part;
  if (inner == "L" || inner == "E") {
    part.kind = Part::Kind::kNumber;
    return part;
  }
  if (const std::size_t dots = inner.find(".."); dots != std::string_view::npos) {
    const auto first = ParseNumber<std::uint64_t>(inner.substr(0, dots));
    const auto last = ParseNumber<std::uint64_t>(inner.substr(dots + 2));
    if (first && last) {
      if (*first > *last) return Wrong(pattern, fmt::format("the range {{{}}} ends before it begins", inner));
      part.kind = Part::Kind::kNumber;
      part.range = {*first, *last};
      return part;
    }
  }
  part.kind = Part::Kind::kChoice;
  for (std::size_t begin = 0; begin <= inner.size();) {
    const std::size_t comma = std::min(inner.find(',', begin), inner.size());
    part.texts.emplace_back(inner.substr(begin, comma - begin));
    begin = comma + 1;
  }
  if (inner.empty()) return Wrong(pattern, "{} holds no text to choose");
  std::stable_sort(part.texts.begin(), part.texts.end(),
                   [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  return part;
}

Result<TensorPattern> TensorPattern::Parse(std::string_view text) {
  constexpr std::size_t kMaxPatternBytes = 4096;
  if (text.size() > kMaxPatternBytes) {
    return Wrong(text, fmt::format("it has {} bytes, more than {}", text.size(), kMaxPatternBytes));
  }
  TensorPattern pattern;
  pattern.text_ = text;
  for (std::size_t i = 0; i < text.size();) {
    Part part;
    if (text[i] == '*') {
      const bool anything = i + 1 < text.size() && text[i + 1] == '*';
      part.kind = anything ? Part::Kind::kAnything : Part::Kind::kWithinPart;
      i += anything ? 2 : 1;
    } else if (text[i] == '{') {
      const std::size_t close = text.find('}', i);
      if (close == std::string_view::npos) return Wrong(text, "a brace is not closed");
      SHARDFS_ASSIGN_OR_RETURN(part, ParseBraces(text.substr(i + 1, close - i - 1), text));
      i = close + 1;
    } else {
      const std::size_t end = std::min(text.find_first_of("*{", i), text.size());
      part.texts.emplace_back(text.substr(i, end - i));
      i = end;
    }
    if (part.kind != Part::Kind::kLiteral) ++pattern.wildcards_;
    pattern.parts_.push_back(std::move(part));
  }
  return pattern;
}

struct TensorPattern::Search {
  const std::vector<Part>& parts;
  std::string_view name;
  std::vector<bool> failed = std::vector<bool>((parts.size() + 1) * (name.size() + 1), false);
  std::vector<std::string_view> captures = {};

  bool Try(std::size_t part, std::size_t at) {
    if (part == parts.size()) return at == name.size();
    const std::size_t state = part * (name.size() + 1) + at;
    if (failed[state]) return false;
    if (TryPart(part, at)) return true;
    failed[state] = true;
    return false;
  }

  bool TryPart(std::size_t index, std::size_t at) {
    const Part& part = parts[index];
    const std::string_view rest = name.substr(at);
    switch (part.kind) {
      case Part::Kind::kLiteral:
        return rest.starts_with(part.texts.front()) && Try(index + 1, at + part.texts.front().size());
      case Part::Kind::kWithinPart:
        return TryLengths(index, at, std::min(rest.find('.'), rest.size()), 0);
      case Part::Kind::kAnything:
        return TryLengths(index, at, rest.size(), 0);
      case Part::Kind::kChoice:
        return std::any_of(part.texts.begin(), part.texts.end(), [&](const std::string& text) {
          return rest.starts_with(text) && Take(index, at, text.size());
        });
      case Part::Kind::kNumber:
        return TryLengths(index, at,
                          static_cast<std::size_t>(
                              std::find_if_not(rest.begin(), rest.end(), IsDigit) - rest.begin()),
                          1);
    }
    return false;
  }

  // The longest first. `least`: the shortest that the part may take.
  bool TryLengths(std::size_t index, std::size_t at, std::size_t most, std::size_t least) {
    for (std::size_t length = most + 1; length-- > least;) {
      if (IsAllowed(parts[index], name.substr(at, length)) && Take(index, at, length)) return true;
    }
    return false;
  }

  static bool IsAllowed(const Part& part, std::string_view text) {
    if (!part.range) return true;
    if (text.size() > 1 && text.front() == '0') return false;
    const auto number = ParseNumber<std::uint64_t>(text);
    return number && *number >= part.range->first && *number <= part.range->second;
  }

  bool Take(std::size_t index, std::size_t at, std::size_t length) {
    captures.push_back(name.substr(at, length));
    if (Try(index + 1, at + length)) return true;
    captures.pop_back();
    return false;
  }
};

std::optional<std::vector<std::string_view>> TensorPattern::Match(std::string_view name) const {
  Search search{.parts = parts_, .name = name};
  if (!search.Try(0, 0)) return std::nullopt;
  return std::move(search.captures);
}

bool TensorPattern::Matches(std::string_view name) const { return Match(name).has_value(); }

}  // namespace shardfs
