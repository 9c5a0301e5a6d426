// Numbers as text: the one parser of the numbers that users, environments and small files give.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>

namespace shardfs {

// The whole of `text` as a number of `base`: digits alone, behind a '-' for a signed type. Nothing for an empty text, a
// '+', spaces, anything behind the digits, or a value that does not fit.
template <std::integral Number>
std::optional<Number> ParseNumber(std::string_view text, int base = 10) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || rest != end) return std::nullopt;
  return number;
}

}  // namespace shardfs
