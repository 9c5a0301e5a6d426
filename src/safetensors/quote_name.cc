#include "safetensors/quote_name.h"

#include <fmt/format.h>

#include <iterator>

namespace shardfs {

std::string QuoteName(std::string_view name) {
  constexpr std::size_t kMaxShown = 200;
  const bool cut = name.size() > kMaxShown;
  if (cut) {
    name = name.substr(0, kMaxShown);
    // Not in the middle of a character: drop the bytes that continue one, then the byte that begins it.
    while (!name.empty() && (static_cast<unsigned char>(name.back()) & 0xC0) == 0x80) name.remove_suffix(1);
    if (!name.empty() && static_cast<unsigned char>(name.back()) >= 0x80) name.remove_suffix(1);
  }
  std::string quoted = "'";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(quoted), "\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  quoted += cut ? "...'" : "'";
  return quoted;
}

}  // namespace shardfs
