#include "base/escape_controls.h"

#include <fmt/format.h>

#include <iterator>

namespace shardfs {
namespace {

std::size_t LengthFrom(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  if (first >= 0xF0 && first < 0xF5) return 4;
  return 0;
}

// Bytes of the character that `text` begins with; 0 where it begins with none.
std::size_t CharacterLength(std::string_view text) {
  const std::size_t length = LengthFrom(static_cast<unsigned char>(text.front()));
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
  }
  const auto second = length < 3 ? 0 : static_cast<unsigned char>(text[1]);
  const bool overlong = (text[0] == '\xE0' && second < 0xA0) || (text[0] == '\xF0' && second < 0x90);
  if (overlong) return 0;  // some terminals make a control character of it
  return length;
}

bool IsControl(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

}  // namespace

std::string EscapeControls(std::string_view text, std::string_view kept) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = CharacterLength(text);
    const std::string_view character = text.substr(0, length == 0 ? 1 : length);
    text.remove_prefix(character.size());
    const bool stays = character.size() == 1 && kept.find(character[0]) != std::string_view::npos;
    if (stays || (length != 0 && !IsControl(character))) {
      escaped += character;
      continue;
    }
    for (const char c : character) {
      fmt::format_to(std::back_inserter(escaped), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

}  // namespace shardfs
