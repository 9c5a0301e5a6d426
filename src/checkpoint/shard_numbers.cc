#include "checkpoint/shard_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/quote_name.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxTotal = 100'000;
constexpr std::size_t kMaxShown = 10;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::size_t> ParseNumber(std::string_view digits) {
  std::size_t value = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || stop != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// "model-" "00001" "-of-" 2 ".safetensors"
struct NumberedName {
  std::string_view prefix;
  std::string_view digits;
  std::string_view rest;  // from the separator on
  std::size_t number = 0;
  std::size_t total = 0;
};

std::optional<NumberedName> Split(std::string_view name) {
  for (const std::string_view separator : {"-of-", "_of_", "-of_", "_of-"}) {
    const std::size_t at = name.rfind(separator);
    if (at == name.npos) continue;
    std::size_t begin = at;
    while (begin > 0 && IsDigit(name[begin - 1])) --begin;
    std::size_t end = at + separator.size();
    while (end < name.size() && IsDigit(name[end])) ++end;
    const auto number = ParseNumber(name.substr(begin, at - begin));
    const auto total = ParseNumber(name.substr(at + separator.size(), end - at - separator.size()));
    if (!number || !total || *total == 0 || *total > kMaxTotal) continue;
    return NumberedName{name.substr(0, begin), name.substr(begin, at - begin), name.substr(at), *number, *total};
  }
  return std::nullopt;
}

struct NumberedSet {
  std::size_t total = 0;
  std::size_t width = 0;  // the least of its numbers, which has the leading zeros of all
  std::set<std::size_t> numbers;
};

}  // namespace

std::vector<MissingNumbers> FindMissingNumbers(std::span<const std::string> names) {
  std::map<std::pair<std::string_view, std::string_view>, NumberedSet> sets;
  for (const std::string& name : names) {
    const auto split = Split(name);
    if (!split) continue;
    NumberedSet& set = sets[{split->prefix, split->rest}];
    set.total = split->total;
    set.width = set.numbers.empty() ? split->digits.size() : std::min(set.width, split->digits.size());
    set.numbers.insert(split->number);
  }
  std::vector<MissingNumbers> incomplete;
  for (const auto& [key, set] : sets) {
    const std::size_t first = *set.numbers.begin() == 0 ? 0 : 1;
    MissingNumbers missing{fmt::format("{}*{}", key.first, key.second), set.total, 0, {}};
    for (std::size_t number = first; number < first + set.total; ++number) {
      if (set.numbers.contains(number) || ++missing.missing > kMaxShown) continue;
      missing.first.push_back(fmt::format("{}{:0{}}{}", key.first, number, set.width, key.second));
    }
    if (missing.missing != 0) incomplete.push_back(std::move(missing));
  }
  return incomplete;
}

std::string Describe(const MissingNumbers& set) {
  std::vector<std::string> quoted;
  for (const std::string& name : set.first) quoted.push_back(QuoteName(name));
  const std::size_t unnamed = set.missing - set.first.size();
  return fmt::format("{} of the {} files {} {} missing ({}{})", set.missing, set.total, QuoteName(set.pattern),
                     set.missing == 1 ? "is" : "are", fmt::join(quoted, ", "),
                     unnamed == 0 ? "" : fmt::format(" and {} more", unnamed));
}

}  // namespace shardfs
