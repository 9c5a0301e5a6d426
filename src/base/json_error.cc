#include "base/json_error.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

namespace shardfs {

std::string DescribeJsonError(std::size_t position, const std::exception& error) {
  if (dynamic_cast<const nlohmann::json::out_of_range*>(&error) != nullptr) {
    return fmt::format("not valid JSON: the number that ends at byte {} is too large", position);
  }
  // Nothing but its text tells these apart; where another version words them differently, all are invalid JSON. Only
  // its own words are looked at: the token that follows them is the document's.
  std::string_view text = error.what();
  text = text.substr(0, text.find("; last read"));
  const auto says = [text](std::string_view part) { return text.find(part) != text.npos; };
  if (says("ill-formed UTF-8")) return fmt::format("not valid UTF-8 at byte {}", position);
  if (says("surrogate U+")) return fmt::format("not valid JSON: half of a surrogate pair at byte {}", position);
  if (says("unexpected end of input") || says("missing closing quote")) {
    return fmt::format("not valid JSON: it ends before byte {}, unfinished", position);
  }
  return fmt::format("not valid JSON at byte {}", position);
}

}  // namespace shardfs
