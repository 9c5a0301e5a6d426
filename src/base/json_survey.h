// SurveyJson: one quick look at JSON that may be hostile, before nlohmann's reader is let loose on it. Everything that
// the reader would take in silence, or would need many times the document's memory for, is refused here.
#pragma once

#include <cstddef>
#include <string_view>

#include "shardfs/base/result.h"

namespace shardfs {

// nlohmann holds a token several times over while it makes an error message of it.
inline constexpr std::size_t kMaxJsonTokenBytes = std::size_t{16} << 20;

struct JsonSurvey {
  std::size_t objects = 0;  // '{' outside of strings
};

// kCorruption for a NUL (which the reader takes for the end of the input, hiding what follows) or a byte order mark
// (which it skips, and RFC 8259, section 8.1, forbids to send); kNotSupported for a token above kMaxJsonTokenBytes.
Result<JsonSurvey> SurveyJson(std::string_view json);

}  // namespace shardfs
