#include "base/json_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/escape_controls.h"
#include "base/text_place.h"

namespace shardfs {
namespace {

// The mistakes that are made in files edited by hand, as what stands at the place and before it shows them.
std::string_view Hint(std::string_view json, std::size_t offset) {
  const std::size_t last = json.substr(0, offset).find_last_not_of(" \t\r\n");
  const char before = last == json.npos ? '\0' : json[last];
  const char at = offset < json.size() ? json[offset] : '\0';
  if (before == ',' && (at == '}' || at == ']')) return "; there is a comma too many";
  if (at == '\'') return "; strings stand in double quotes";
  if (at == '/' || at == '#') return "; JSON has no comments";
  const bool value_before = before == '"' || before == '}' || before == ']' || (before >= '0' && before <= '9');
  if (value_before && (at == '"' || at == '{' || at == '[')) return "; a comma or a colon is missing between them";
  return "";
}

// The begin of the number or word that the byte at `last` belongs to.
std::size_t WordBegin(std::string_view json, std::size_t last) {
  const auto is_word = [json](std::size_t at) {
    const char c = json[at];
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '+' || c == '-';
  };
  if (last >= json.size()) return last;
  while (last > 0 && is_word(last) && is_word(last - 1)) --last;
  return last;
}

// The begin of the string that ends at `position`, where the document has it as the reader gives it, which writes
// control characters otherwise.
std::size_t StringBegin(std::string_view json, std::size_t position, std::string_view token) {
  const bool as_written = !token.empty() && token.size() <= position && position <= json.size() &&
                          json.substr(position - token.size(), token.size()) == token;
  return position - (as_written ? token.size() : 1);
}

// Where the first object that has the key twice has it again; npos where no key is written so. `json` is valid as far
// as that object goes.
std::size_t FindSecondKey(std::string_view json, std::string_view key) {
  struct Level {
    bool is_object;
    bool key_is_next;
    bool has_key;
  };
  std::vector<Level> levels;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '{' || c == '[') {
      levels.push_back({c == '{', c == '{', false});
    } else if ((c == '}' || c == ']') && !levels.empty()) {
      levels.pop_back();
    } else if (c == ',' && !levels.empty()) {
      levels.back().key_is_next = levels.back().is_object;
    }
    if (c != '"') continue;
    const std::size_t begin = i++;
    while (i < json.size() && json[i] != '"') i += json[i] == '\\' ? 2 : 1;
    if (levels.empty() || !std::exchange(levels.back().key_is_next, false)) continue;
    if (json.substr(begin + 1, i - begin - 1) != key) continue;
    if (std::exchange(levels.back().has_key, true)) return begin;
  }
  return json.npos;
}

std::string Sentence(std::string_view what, std::string_view json, std::size_t offset, std::string_view hint = "") {
  const std::string text = DescribeTextAt(json, offset);
  return fmt::format("{} {}{}{}{}", what, DescribePlace(json, offset), text.empty() ? "" : ": ", text, hint);
}

}  // namespace

std::string DescribeJsonError(std::string_view json, std::size_t position, std::string_view last_token,
                              const std::exception& error) {
  const std::size_t last = std::min(position == 0 ? 0 : position - 1, json.size());
  if (dynamic_cast<const nlohmann::json::out_of_range*>(&error) != nullptr) {
    return Sentence("not valid JSON: a number is too large at", json, WordBegin(json, last));
  }
  // Nothing but its text tells these apart; where another version words them differently, all are invalid JSON. Only
  // its own words are looked at: the token that follows them is the document's.
  std::string_view text = error.what();
  text = text.substr(0, text.find("; last read"));
  const auto says = [text](std::string_view part) { return text.find(part) != text.npos; };
  if (says("ill-formed UTF-8")) return Sentence("not valid UTF-8 at", json, last);
  if (says("surrogate U+")) return Sentence("not valid JSON: half of a surrogate pair at", json, last);
  if (says("unexpected end of input") || says("missing closing quote")) {
    return Sentence("not valid JSON: it ends, unfinished, at", json, json.size());
  }
  if (says("invalid string: control character")) {
    return Sentence("not valid JSON: a line end or another control character in a string at", json, last,
                    "; is the closing quote missing?");
  }
  if (says("invalid string")) return Sentence("not valid JSON: a string is wrong at", json, last);
  const std::size_t begin =
      says("unexpected string literal") ? StringBegin(json, position, last_token) : WordBegin(json, last);
  return Sentence("not valid JSON at", json, begin, Hint(json, begin));
}

std::string DescribeDuplicateKey(std::string_view json, std::string_view key) {
  const std::size_t again = FindSecondKey(json, key);
  return fmt::format("key '{}' stands twice in one object{}", EscapeControls(key.substr(0, 200)),
                     again == json.npos ? "" : fmt::format(", again at {}", DescribePlace(json, again)));
}

}  // namespace shardfs
