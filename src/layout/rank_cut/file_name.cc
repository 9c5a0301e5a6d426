#include "layout/rank_cut/file_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "layout/rank_cut/refusal.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs::rank_cut {
namespace {

constexpr std::array<std::pair<std::string_view, std::uint32_t RankPlace::*>, 8> kCoordinates = {
    {{"rank", &RankPlace::rank},
     {"tp", &RankPlace::tp},
     {"pp", &RankPlace::pp},
     {"dp", &RankPlace::dp},
     {"ep", &RankPlace::ep},
     {"etp", &RankPlace::etp},
     {"edp", &RankPlace::edp},
     {"cp", &RankPlace::cp}}};

// "", "d" and "05d".
std::optional<std::uint32_t> WidthOf(std::string_view format) {
  constexpr std::uint32_t kMostDigits = 20;
  if (format.empty() || format == "d") return 0;
  if (format.size() < 3 || format.front() != '0' || format.back() != 'd') return std::nullopt;
  const auto width = ParseNumber<std::uint32_t>(format.substr(1, format.size() - 2));
  return width && *width <= kMostDigits ? width : std::nullopt;
}

// What is wrong with the path, or "". The coordinates are digits, so any rank's name shows it.
std::string ProblemOf(const std::string& path) {
  constexpr std::string_view kEnd = ".safetensors";
  constexpr std::size_t kMostBytes = 255;
  if (!path.ends_with(kEnd)) return "it does not end with .safetensors";
  if (path.starts_with(kReservedPrefix)) return fmt::format("{} begins the program's own names", kReservedPrefix);
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty()) return "a part of the path is empty; it must be relative, without // in it";
    if (part == "." || part == ".." || part == kEnd) return fmt::format("{} is no name of a file", QuoteName(part));
    if (part.size() > kMostBytes) return fmt::format("a part of the path has more than {} bytes", kMostBytes);
    if (part.find('\0') != std::string::npos) return "it has a NUL";
  }
  return "";
}

}  // namespace

Result<FileName> FileName::Parse(std::string_view text) {
  const auto wrong = [&](std::string_view problem) {
    return Refuse("bad-rule", fmt::format("file name {}: {}", QuoteName(text), problem));
  };
  FileName name;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t brace = std::min(text.find_first_of("{}", i), text.size());
    if (brace > i) name.pieces_.push_back({std::string(text.substr(i, brace - i))});
    if (brace == text.size()) break;
    const std::size_t close = text.find('}', brace);
    if (close == std::string_view::npos || text[brace] == '}') return wrong("a brace has no other");
    const std::string_view inner = text.substr(brace + 1, close - brace - 1);
    const std::size_t colon = std::min(inner.find(':'), inner.size());
    const auto found = std::find_if(kCoordinates.begin(), kCoordinates.end(),
                                    [&](const auto& one) { return one.first == inner.substr(0, colon); });
    const auto width = WidthOf(colon == inner.size() ? "" : inner.substr(colon + 1));
    if (found == kCoordinates.end() || !width) {
      return wrong(
          fmt::format("{{{}}} is none of {{rank}}, {{tp}}, {{pp}}, {{dp}}, {{ep}}, {{etp}}, {{edp}}, {{cp}}, "
                      "nor one with a width, as {{rank:05d}}",
                      inner));
    }
    name.pieces_.push_back({"", found->second, *width});
    i = close + 1;
  }
  if (const std::string problem = ProblemOf(name.Of({})); !problem.empty()) return wrong(problem);
  return name;
}

std::string FileName::Of(const RankPlace& place) const {
  std::string name;
  for (const Piece& piece : pieces_) {
    const std::string digits = piece.coordinate == nullptr ? piece.literal : std::to_string(place.*piece.coordinate);
    if (digits.size() < piece.width) name.append(piece.width - digits.size(), '0');
    name += digits;
  }
  return name;
}

}  // namespace shardfs::rank_cut
