#include "base/natural_order.h"

#include <algorithm>

namespace shardfs {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes the run of digits, or of other characters, that `text` begins with.
std::string_view TakeRun(std::string_view& text) {
  const bool digits = IsDigit(text.front());
  const auto end = std::find_if(text.begin(), text.end(), [&](char c) { return IsDigit(c) != digits; });
  const std::string_view run = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(run.size());
  return run;
}

// Below 0, 0 or above 0. Numbers of any length: without leading zeros the longer one is the larger.
int CompareNumbers(std::string_view a, std::string_view b) {
  a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
  b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

}  // namespace

bool NaturallyBefore(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::string_view of_a = TakeRun(a);
    const std::string_view of_b = TakeRun(b);
    const bool numbers = IsDigit(of_a.front()) && IsDigit(of_b.front());
    const int order = numbers ? CompareNumbers(of_a, of_b) : of_a.compare(of_b);  // bytes of UTF-8 order code points
    if (order != 0) return order < 0;
  }
  return a.empty() && !b.empty();
}

}  // namespace shardfs
