// File modes as users type them.
#pragma once

#include <sys/types.h>

#include <charconv>
#include <string>

#include "shardfs/base/result.h"

namespace shardfs {

// "0440" or "440": octal, at most 777. `option` names the option in the message.
inline Result<mode_t> ParseMode(const std::string& text, const char* option) {
  mode_t mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc{} || end != text.data() + text.size() || mode > 0777) {
    return Status::InvalidArgument(std::string(option) + " is '" + text + "' and must be an octal mode from 0 to 777");
  }
  return mode;
}

}  // namespace shardfs
