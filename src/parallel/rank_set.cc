#include "shardfs/parallel/rank_set.h"

#include <fmt/format.h>

#include <charconv>
#include <numeric>
#include <optional>

namespace shardfs {

RankSet::RankSet(std::vector<std::uint32_t> ranks) : ranks_(std::move(ranks)) {
  std::sort(ranks_.begin(), ranks_.end());
  ranks_.erase(std::unique(ranks_.begin(), ranks_.end()), ranks_.end());
}

RankSet RankSet::All(std::uint32_t world_size) { return Range(0, world_size); }

RankSet RankSet::Range(std::uint32_t begin, std::uint32_t end) {
  RankSet set;
  if (begin < end) {
    set.ranks_.resize(end - begin);
    std::iota(set.ranks_.begin(), set.ranks_.end(), begin);
  }
  return set;
}

bool RankSet::Intersects(const RankSet& other) const {
  auto a = ranks_.begin();
  auto b = other.ranks_.begin();
  while (a != ranks_.end() && b != other.ranks_.end()) {
    if (*a == *b) return true;
    if (*a < *b) {
      ++a;
    } else {
      ++b;
    }
  }
  return false;
}

void RankSet::Insert(std::uint32_t rank) {
  auto at = std::lower_bound(ranks_.begin(), ranks_.end(), rank);
  if (at == ranks_.end() || *at != rank) ranks_.insert(at, rank);
}

namespace {

std::optional<std::uint32_t> ParseRank(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<RankSet> RankSet::Parse(std::string_view text, std::uint32_t world_size) {
  std::vector<std::uint32_t> ranks;
  std::string_view rest = text;
  do {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    const bool trailing_comma = comma != std::string_view::npos && rest.empty();
    const std::size_t dash = item.find('-');
    const auto first = ParseRank(item.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : ParseRank(item.substr(dash + 1));
    if (!first || !last || *first > *last || trailing_comma) {
      return Status::InvalidArgument(fmt::format("\"{}\" is not a list of ranks; write it like 0-7 or 0,2,8-15", text));
    }
    if (*last >= world_size) {
      return Status::InvalidArgument(
          fmt::format("rank {} of \"{}\" is not below the world size {}", *last, text, world_size));
    }
    for (std::uint32_t rank = *first; rank <= *last; ++rank) ranks.push_back(rank);
  } while (!rest.empty());
  return RankSet(std::move(ranks));
}

}  // namespace shardfs
