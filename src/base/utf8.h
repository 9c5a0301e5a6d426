// IsUtf8: whether bytes are text in UTF-8, as JSON and protobuf want it: no overlong form, no surrogate, nothing beyond
// U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace shardfs {

inline bool IsUtf8(std::string_view text) {
  const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  for (std::size_t at = 0; at < text.size();) {
    const unsigned char first = byte(at);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    if (length == 0 || length > text.size() - at) return false;
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return false;
    }
    if (first == 0xE0 && byte(at + 1) < 0xA0) return false;   // overlong
    if (first == 0xED && byte(at + 1) >= 0xA0) return false;  // surrogates
    if (first == 0xF0 && byte(at + 1) < 0x90) return false;   // overlong
    if (first == 0xF4 && byte(at + 1) >= 0x90) return false;  // beyond U+10FFFF
    at += length;
  }
  return true;
}

}  // namespace shardfs
