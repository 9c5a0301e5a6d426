#include "base/json_survey.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text_place.h"

namespace shardfs {
namespace {

bool EndsToken(char c) { return c == '"' || c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':'; }

}  // namespace

Result<JsonSurvey> SurveyJson(std::string_view json) {
  if (const auto nul = json.find('\0'); nul != json.npos) {
    return Status::Corruption(fmt::format("not valid JSON: a NUL at {}", DescribePlace(json, nul)));
  }
  if (json.starts_with("\xEF\xBB\xBF")) {
    return Status::Corruption("not valid JSON: a byte order mark at its begin; save it as UTF-8 without one");
  }
  JsonSurvey survey;
  std::size_t longest = 0;  // white space counts as part of the token beside it
  std::size_t token_begin = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
        continue;
      }
      if (c != '"') continue;
      in_string = false;
    } else {
      if (!EndsToken(c)) continue;
      in_string = c == '"';
      if (c == '{') ++survey.objects;
    }
    longest = std::max(longest, i - token_begin);
    token_begin = i;
  }
  longest = std::max(longest, json.size() - token_begin);
  if (longest > kMaxJsonTokenBytes) {
    return Status::NotSupported(
        fmt::format("a string or number of {} bytes is longer than {}", longest, kMaxJsonTokenBytes));
  }
  return survey;
}

}  // namespace shardfs
