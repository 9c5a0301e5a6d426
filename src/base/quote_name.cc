#include "base/quote_name.h"

#include "base/escape_controls.h"

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
  std::string quoted = "'" + EscapeControls(name);
  quoted += cut ? "...'" : "'";
  return quoted;
}

}  // namespace shardfs
