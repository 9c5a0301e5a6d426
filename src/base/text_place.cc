#include "base/text_place.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/escape_controls.h"

namespace shardfs {
namespace {

constexpr std::size_t kExcerptBytes = 24;
constexpr std::string_view kSpace = " \t\r\n";

bool ContinuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Moves `at` to the begin of the character that it is in, or leaves it where no character is that long.
std::size_t CharacterBegin(std::string_view text, std::size_t at) {
  for (std::size_t back = 0; back < 4 && back <= at && at < text.size(); ++back) {
    if (!ContinuesCharacter(text[at - back])) return at - back;
  }
  return at;
}

}  // namespace

std::string DescribePlace(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t newline = before.rfind('\n');
  const std::string_view in_line = before.substr(newline == before.npos ? 0 : newline + 1);
  const auto column = 1 + std::count_if(in_line.begin(), in_line.end(), [](char c) { return !ContinuesCharacter(c); });
  return fmt::format("line {}, column {} (byte {})", line, column, offset + 1);
}

std::string DescribeTextAt(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  std::string_view at = text.substr(offset, text.substr(offset, kExcerptBytes + 1).find_first_of("\r\n"));
  if (at.size() > kExcerptBytes) at = at.substr(0, CharacterBegin(at, kExcerptBytes));
  const std::size_t last = text.substr(0, offset).find_last_not_of(kSpace);
  std::string_view before = text.substr(0, last == text.npos ? 0 : last + 1);
  if (before.size() > kExcerptBytes) before = before.substr(CharacterBegin(before, before.size() - kExcerptBytes));
  if (const std::size_t newline = before.rfind('\n'); newline != before.npos) before.remove_prefix(newline + 1);
  before.remove_prefix(std::min(before.size(), before.find_first_not_of(kSpace)));

  std::string described = at.empty() ? "" : fmt::format("'{}'", EscapeControls(at));
  if (!before.empty()) described += fmt::format("{}after '{}'", at.empty() ? "" : " ", EscapeControls(before));
  return described;
}

}  // namespace shardfs
