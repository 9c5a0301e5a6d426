// Names are compared by their edit distance with swaps of neighbours (optimal string alignment), by the usual table, of
// which three rows are kept. A name of n characters may be a third of that away; names of less than four characters
// differ from each other by that little, so of those only the spelling may.
#include "base/nearest_name.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace shardfs {
namespace {

constexpr std::size_t kLongestWord = 64;  // no name of ours is as long, and the table grows with the square

// Without dashes at the beginning, and without what spelling may change.
std::string Plain(std::string_view word) {
  word.remove_prefix(std::min(word.find_first_not_of('-'), word.size()));
  std::string plain(word);
  for (char& c : plain) c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

std::size_t Distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

// 0 is the nearest; what is not near is at least kFar.
constexpr std::size_t kFar = 1000;
std::size_t Rank(const std::string& word, const std::string& name) {
  if (word == name) return 0;
  const auto without_dashes = [](std::string text) {
    std::erase(text, '-');
    return text;
  };
  if (without_dashes(word) == without_dashes(name)) return 0;
  if (word.size() >= 2 && name.ends_with("-" + word)) return 1;
  if (word.size() < 3 || name.size() < 4) return kFar;
  const std::size_t distance = Distance(word, name);
  return distance <= std::max(word.size(), name.size()) / 3 ? 1 + distance : kFar;
}

}  // namespace

std::string DidYouMean(std::string_view word, std::span<const std::string> names) {
  const std::string plain = Plain(word);
  if (plain.empty() || plain.size() > kLongestWord) return "";
  std::size_t best = kFar;
  std::string_view nearest;
  bool several = false;
  for (const std::string& name : names) {
    const std::size_t rank = Rank(plain, Plain(name));
    if (rank >= kFar || rank > best) continue;
    several = rank == best && Plain(name) != Plain(nearest);
    if (rank < best) nearest = name;
    best = rank;
  }
  if (nearest.empty() || several) return "";
  return "; did you mean " + std::string(nearest) + "?";
}

}  // namespace shardfs
